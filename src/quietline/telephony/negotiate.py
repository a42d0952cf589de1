"""What may be said to whom about a call's audio: pure steps between the descriptions of caller, agent and relay."""

from __future__ import annotations

import base64
import secrets
from dataclasses import replace

from quietline.telephony.sdp import DTLS, SUITES, Audio, Codec, UnacceptableOffer

UNSPECIFIED = ("0.0.0.0", "::")  # noqa: S104  (RFC 2543's way to hold)


def nobody(caller: Audio) -> Audio:
    """The inside end of a caller who is connected to nobody: the discard port (RFC 863) on loopback, with the caller's
    own payload types, so that whatever law and event type the caller uses is what the relay expects."""
    return Audio("127.0.0.1", 9, "RTP/AVP", caller.codecs)


def chosen(offer: Audio, answer: Audio) -> Audio:
    """The offer with the crypto line that the answer chose by its tag (RFC 4568 §5.1.2); the others are moot.

    Raises UnacceptableOffer where the answer chose none of them.
    """
    picked = {(_tag(line), _suite(line)) for line in answer.crypto[:1]}
    kept = tuple(line for line in offer.crypto if (_tag(line), _suite(line)) in picked)
    if offer.crypto and not kept:
        raise UnacceptableOffer("the answer's crypto line is none of the offered ones", 302)
    return replace(offer, crypto=kept)


def with_own_key(caller: Audio, key: str) -> Audio:
    """The caller's side as rtpengine is told it before an agent is offered: a second crypto line of our own.

    rtpengine 10.5 copies every key it was offered into the offer it makes. Without this the agent's phone would be
    given the key that the caller encrypts with. The first line stays the one the relay decrypts with; of the copies
    only ours is passed on (`without_keys_of`).
    """
    if not caller.crypto:
        return caller
    line = caller.crypto[0]
    return replace(caller, crypto=(line, f"{int(_tag(line)) % 999_999_999 + 1} {_suite(line)} inline:{key}"))


def own_key(caller: Audio) -> str:
    """A fresh key for the suite the caller uses, base64 without line ends; "" for a caller without SRTP."""
    if not caller.crypto:
        return ""
    return base64.b64encode(secrets.token_bytes(SUITES[_suite(caller.crypto[0])])).decode()


def stub(codecs: tuple[Codec, ...], line: str = "") -> Audio:
    """An inside end that offers: the discard port (RFC 863) on loopback, nobody there. With a crypto line, as SRTP."""
    return Audio("127.0.0.1", 9, "RTP/SAVP" if line else "RTP/AVP", codecs, crypto=(line,) if line else ())


def fresh_line(suite: str) -> str:
    """A crypto line of our own with a fresh key."""
    return f"1 {suite} inline:{base64.b64encode(secrets.token_bytes(SUITES[suite])).decode()}"


def with_line(audio: Audio, suite: str, key: str) -> Audio:
    """The description with a second crypto line: this key in this suite. See `with_own_key`."""
    if not audio.crypto or not key:
        return audio
    tag = int(_tag(audio.crypto[0])) % 999_999_999 + 1
    return replace(audio, crypto=(audio.crypto[0], f"{tag} {suite} inline:{key}"))


def one_line(offer: Audio, suite: str, key: str = "") -> tuple[Audio, str, str]:
    """The offer with a single crypto line, the suite's with this key before its others; with that line's suite and key.

    An offer without crypto (DTLS, plain RTP) is left as it is.
    """
    if not offer.crypto:
        return offer, "", ""
    of_suite = [line for line in offer.crypto if _suite(line) == suite]
    line = next((line for line in of_suite if _key(line) == key.rstrip("=")), [*of_suite, *offer.crypto][0])
    padded = _key(line) + "=" * (-len(_key(line)) % 4)
    return replace(offer, crypto=(line,)), _suite(line), padded


def suite_of(audio: Audio) -> str:
    """The suite of its first crypto line, "" without one."""
    return _suite(audio.crypto[0]) if audio.crypto else ""


def without_keys_of(offer: Audio, caller: Audio) -> Audio:
    """The offer less every crypto line that carries a key of the caller's."""
    theirs = {_key(line) for line in caller.crypto}
    return replace(offer, crypto=tuple(line for line in offer.crypto if _key(line) not in theirs))


def moved(before: Audio, after: Audio) -> bool:
    """Whether a new description changes more than the direction, so that the relay has to know.

    Over ICE the credentials say it (RFC 8839 §4.4.1.1.1), else address, key and payload types do.
    """
    if before.protocol in DTLS:
        names = ("ice-ufrag", "ice-pwd", "fingerprint")
        return any(before.attribute(name) != after.attribute(name) for name in names)
    if after.host in UNSPECIFIED:
        return False
    place = (before.host, before.port, before.rtcp_port) != (after.host, after.port, after.rtcp_port)
    keys = {(_suite(line), _key(line)) for line in before.crypto} - {
        (_suite(line), _key(line)) for line in after.crypto
    }
    return place or bool(keys) or before.protocol != after.protocol or before.codecs != after.codecs


def answer_again(ours: Audio, theirs: Audio, offer: Audio) -> Audio:
    """Our side once more, as the answer to a new offer: what stands stays; tag, mid and DTLS role are fitted to it.

    ours: what we said before. theirs: what the peer had said. offer: what it says now. Raises UnacceptableOffer where
    the suite in use is no longer among the offered ones.
    """
    answer = replace(ours, codecs=tuple(codec for codec in offer.codecs if codec.name in ours.names))
    if ours.protocol in DTLS:
        role = "active" if theirs.attribute("setup") == "passive" else "passive"  # RFC 5763 §5: the roles stay
        return answer.having("setup", role).having("mid", offer.attribute("mid"))
    return replace(answer, crypto=tuple(f"{_tag_of(offer, _suite(line))} {_rest(line)}" for line in ours.crypto))


def retagged(offer: Audio, ours: Audio) -> Audio:
    """A peer's new offer in the shape of an answer to `ours`: its line of our one suite, under our tag."""
    lines = [(_tag(mine), line) for mine in ours.crypto for line in offer.crypto if _suite(line) == _suite(mine)]
    if ours.crypto and not lines:
        raise UnacceptableOffer("the SRTP suite in use is no longer offered", 302)
    return replace(offer, crypto=tuple(f"{tag} {_rest(line)}" for tag, line in lines[:1]))


def _tag_of(offer: Audio, suite: str) -> str:
    for line in offer.crypto:
        if _suite(line) == suite:
            return _tag(line)
    raise UnacceptableOffer("the SRTP suite in use is no longer offered", 302)


def _tag(line: str) -> str:
    return line.split(" ")[0]


def _rest(line: str) -> str:
    return line.partition(" ")[2]


def _suite(line: str) -> str:
    return line.split(" ")[1]


def _key(line: str) -> str:
    return line.partition("inline:")[2].partition("|")[0].rstrip("=")
