"""Between caller, agent and relay: keys stay apart, what stands stays."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from quietline.telephony.negotiate import (
    answer_again,
    chosen,
    fresh_line,
    moved,
    nobody,
    one_line,
    own_key,
    retagged,
    stub,
    suite_of,
    with_line,
    with_own_key,
    without_keys_of,
)
from quietline.telephony.sdp import SUITES, Audio, Codec, UnacceptableOffer

AES, GCM = "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"


def line(tag: int, suite: str, fill: int) -> str:
    return f"{tag} {suite} inline:{base64.b64encode(bytes([fill]) * SUITES[suite]).decode()}"


CODECS = (Codec(8, "PCMA"), Codec(96, "telephone-event"))
CALLER = Audio("192.0.2.10", 4000, "RTP/SAVP", CODECS, crypto=(line(1, AES, 1), line(2, GCM, 2)))
BROWSER = Audio(
    "192.0.2.20",
    5000,
    "UDP/TLS/RTP/SAVPF",
    CODECS,
    attributes=(("ice-ufrag", "abcd"), ("ice-pwd", "p" * 24), ("setup", "active"), ("mid", "0")),
)


def test_nobody_lies_on_loopback_and_mirrors_the_payload_types() -> None:
    assert nobody(CALLER) == Audio("127.0.0.1", 9, "RTP/AVP", CODECS)


def test_the_suite_an_answer_chose_is_the_only_one_left() -> None:
    answer = replace(CALLER, crypto=(line(2, GCM, 9),))
    assert chosen(CALLER, answer).crypto == (line(2, GCM, 2),)
    plain = replace(CALLER, crypto=(), protocol="RTP/AVP")
    assert chosen(plain, plain) == plain


@pytest.mark.parametrize("crypto", [(), (line(3, AES, 1),), (line(1, GCM, 1),)])
def test_an_answer_that_chose_none_of_the_offered_lines_is_refused(crypto: tuple[str, ...]) -> None:
    with pytest.raises(UnacceptableOffer, match="none of the offered"):
        chosen(CALLER, replace(CALLER, crypto=crypto))


@pytest.mark.parametrize("suite", list(SUITES))
def test_the_agents_own_key_is_fresh_of_the_right_length_and_under_another_tag(suite: str) -> None:
    caller = replace(CALLER, crypto=(line(999_999_999, suite, 1),))
    key = own_key(caller)
    assert len(base64.b64decode(key)) == SUITES[suite]
    assert key != own_key(caller)
    told = with_own_key(caller, key)
    assert told.crypto == (caller.crypto[0], f"1 {suite} inline:{key}")
    assert without_keys_of(told, caller).crypto == told.crypto[1:]


def test_a_caller_without_srtp_needs_no_key_of_ours() -> None:
    plain = replace(CALLER, protocol="RTP/AVP", crypto=())
    assert own_key(plain) == ""
    assert with_own_key(plain, "") == plain


def test_a_callers_key_is_found_with_another_tag_lifetime_or_padding() -> None:
    copy = line(7, AES, 1).rstrip("=") + "|2^31|1:4"
    assert without_keys_of(replace(CALLER, crypto=(copy, line(2, AES, 3))), CALLER).crypto == (line(2, AES, 3),)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, False),
        ({"direction": "sendonly"}, False),
        ({"attributes": (("ptime", "20"),)}, False),
        ({"crypto": (line(5, AES, 1), line(6, GCM, 2))}, False),
        ({"host": "0.0.0.0"}, False),
        ({"port": 4002}, True),
        ({"host": "192.0.2.11"}, True),
        ({"rtcp_port": 9}, True),
        ({"crypto": (line(1, AES, 3),)}, True),
        ({"codecs": CODECS[:1]}, True),
        ({"protocol": "RTP/SAVPF"}, True),
    ],
)
def test_what_counts_as_moved(change: dict[str, object], expected: bool) -> None:
    assert moved(CALLER, replace(CALLER, **change)) is expected  # type: ignore[arg-type]


def test_a_browser_has_moved_when_ice_restarts_and_only_then() -> None:
    assert not moved(BROWSER, replace(BROWSER, port=9, host="0.0.0.0"))
    assert moved(BROWSER, BROWSER.having("ice-ufrag", "wxyz"))
    assert moved(BROWSER, BROWSER.having("fingerprint", "sha-256 AB"))


def test_answering_again_keeps_our_key_under_the_offers_tag() -> None:
    ours = Audio("192.0.2.1", 20_000, "RTP/SAVP", CODECS, crypto=(line(1, GCM, 9),))
    again = answer_again(ours, CALLER, replace(CALLER, crypto=(line(4, AES, 1), line(7, GCM, 2))))
    assert again == replace(ours, crypto=(line(7, GCM, 9),))
    with pytest.raises(UnacceptableOffer, match="no longer offered"):
        answer_again(ours, CALLER, replace(CALLER, crypto=(line(4, AES, 1),)))


@pytest.mark.parametrize(("said", "role"), [("active", "passive"), ("passive", "active")])
def test_answering_a_browser_again_keeps_the_dtls_roles(said: str, role: str) -> None:
    ours = replace(BROWSER, host="192.0.2.1").having("setup", "actpass").having("mid", "1")
    offer = BROWSER.having("setup", "actpass").having("mid", "0")
    again = answer_again(ours, BROWSER.having("setup", said), offer)
    assert (again.attribute("setup"), again.attribute("mid"), again.host) == (role, "0", "192.0.2.1")
    assert [name for name, _ in again.attributes].count("setup") == 1


def test_an_offer_in_the_shape_of_an_answer_carries_our_tag_and_its_key() -> None:
    ours = replace(CALLER, crypto=(line(2, AES, 9),))
    assert retagged(CALLER, ours).crypto == (line(2, AES, 1),)
    with pytest.raises(UnacceptableOffer, match="no longer offered"):
        retagged(replace(CALLER, crypto=(line(1, GCM, 1),)), ours)


# Legs that move


def test_an_inside_end_that_offers_is_nobody_on_loopback() -> None:
    plain, keyed = stub(CODECS), stub(CODECS, line(1, AES, 9))
    assert (plain.host, plain.port, plain.protocol, plain.crypto) == ("127.0.0.1", 9, "RTP/AVP", ())
    assert (keyed.protocol, keyed.crypto) == ("RTP/SAVP", (line(1, AES, 9),))
    assert plain.codecs == CODECS


@pytest.mark.parametrize("suite", list(SUITES))
def test_a_line_of_our_own_has_a_fresh_key_of_its_suites_length(suite: str) -> None:
    first, second = fresh_line(suite), fresh_line(suite)
    assert first != second
    key = first.partition("inline:")[2]
    assert len(base64.b64decode(key)) == SUITES[suite]


def test_a_second_line_goes_after_the_callers_own_under_a_tag_of_its_own() -> None:
    one = replace(CALLER, crypto=(line(4, AES, 1),))
    told = with_line(one, GCM, "a2V5")
    assert told.crypto == (line(4, AES, 1), f"5 {GCM} inline:a2V5")
    assert with_line(replace(one, crypto=()), GCM, "a2V5").crypto == ()
    assert with_line(one, GCM, "").crypto == one.crypto


def test_of_many_lines_the_one_with_our_key_is_kept() -> None:
    ours = line(3, AES, 7).partition("inline:")[2]
    offer = replace(CALLER, crypto=(line(1, GCM, 1), line(2, AES, 2), line(3, AES, 7)))
    kept, suite, key = one_line(offer, AES, ours)
    assert (kept.crypto, suite, key) == ((line(3, AES, 7),), AES, ours)
    kept, suite, _ = one_line(offer, AES)
    assert (kept.crypto, suite) == ((line(2, AES, 2),), AES)
    kept, suite, _ = one_line(offer, "AEAD_AES_128_GCM")
    assert (kept.crypto, suite) == ((line(1, GCM, 1),), GCM)
    assert one_line(replace(CALLER, crypto=()), AES) == (replace(CALLER, crypto=()), "", "")


def test_a_key_without_its_padding_is_the_same_key() -> None:
    padded = line(1, GCM, 3).partition("inline:")[2]
    offer = replace(CALLER, crypto=(line(2, GCM, 4), f"1 {GCM} inline:{padded.rstrip('=')}"))
    kept, _, key = one_line(offer, GCM, padded)
    assert kept.crypto == (f"1 {GCM} inline:{padded.rstrip('=')}",)
    assert base64.b64decode(key) == bytes([3]) * SUITES[GCM]


def test_the_suite_in_use_is_the_first_lines() -> None:
    assert suite_of(CALLER) == AES
    assert suite_of(replace(CALLER, crypto=())) == ""
