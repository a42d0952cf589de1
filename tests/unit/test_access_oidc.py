"""Sign-on, the pure parts: addresses, tries that end, and what of an ID token is believed."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import hypothesis.strategies as st
import pytest
from hypothesis import given
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from quietline.access.oidc import Client, Tries, UnknownKey, address, require_https, signed_on
from quietline.config import Config
from quietline.errors import ConfigError, Denied
from quietline.vault.people_parts import check_roles, party_of

NOW = 1_790_000_000.0
CLIENT = Client("https://login.example", "quietline-desk", "https://desk.example/sign-on")
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"})
SIGNERS: dict[str, Any] = {"ES256": EC, "RS256": RSA, "PS256": RSA, "Ed25519": ED}
KEYS = {"keys": [key.as_dict(private=False) for key in (EC, RSA, ED)]}


class HandClock:
    def __init__(self) -> None:
        self.now = NOW

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


def token(algorithm: str = "ES256", header: dict[str, Any] | None = None, **says: Any) -> str:
    key = SIGNERS[algorithm]
    claims = {
        "iss": CLIENT.issuer,
        "sub": "sub-1",
        "aud": CLIENT.id,
        "iat": int(NOW),
        "exp": int(NOW) + 60,
        "nonce": "n",
    }
    kept = {name: value for name, value in {**claims, **says}.items() if value is not None}
    return jwt.encode({"alg": algorithm, "kid": key.kid, **(header or {})}, kept, key, algorithms=[algorithm])


def believed(text: str, keys: dict[str, Any] = KEYS, now: float = NOW) -> str:
    return signed_on(text, keys, CLIENT, "n", now).subject


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_a_token_signed_by_the_provider_is_believed(algorithm: str) -> None:
    assert believed(token(algorithm)) == "sub-1"


@pytest.mark.parametrize(("at", "good"), [(-61, False), (-59, True), (0, True), (119, True), (121, False)])
def test_a_token_is_good_in_its_time_with_a_minute_of_leeway(at: int, good: bool) -> None:
    if good:
        assert believed(token(), now=NOW + at) == "sub-1"
    else:
        with pytest.raises(Denied, match="proof-refused"):
            believed(token(), now=NOW + at)


@pytest.mark.parametrize("place", range(3))
def test_a_changed_token_is_refused(place: int) -> None:
    parts = token().split(".")
    for number in range(0, len(parts[place]), 7):
        other = "A" if parts[place][number] != "A" else "B"
        changed = [*parts]
        changed[place] = parts[place][:number] + other + parts[place][number + 1 :]
        with pytest.raises(Denied, match="proof-refused"):
            believed(".".join(changed))


@given(st.text(max_size=80) | st.lists(st.text("abcABC012-_=", max_size=12), min_size=2, max_size=5).map(".".join))
def test_what_is_no_token_is_refused_and_nothing_else(text: str) -> None:
    with pytest.raises(Denied, match="proof-refused"):
        believed(text)


def test_a_key_is_found_by_its_name_alone() -> None:
    with pytest.raises(UnknownKey):
        believed(token(header={"kid": "another"}))
    with pytest.raises(UnknownKey):
        believed(token(), {"keys": []})
    with pytest.raises(UnknownKey):
        believed(token(), {})
    with pytest.raises(UnknownKey):  # two of that name
        believed(token(), {"keys": [*KEYS["keys"], KEYS["keys"][0]]})
    with pytest.raises(UnknownKey):  # not for signing
        believed(token(), {"keys": [{**KEYS["keys"][0], "use": "enc"}]})
    with pytest.raises(Denied):  # another key under that name
        believed(token(), {"keys": [{**ECKey.generate_key("P-256").as_dict(private=False), "kid": "ec"}]})


def test_a_token_without_a_key_name_is_fine_where_there_is_one_key() -> None:
    unnamed = jwt.encode(
        {"alg": "ES256"},
        {"iss": CLIENT.issuer, "sub": "s", "aud": CLIENT.id, "iat": int(NOW), "exp": int(NOW) + 60, "nonce": "n"},
        EC,
    )
    assert believed(unnamed, {"keys": [EC.as_dict(private=False)]}) == "s"
    with pytest.raises(UnknownKey):
        believed(unnamed)


@pytest.mark.parametrize(
    ("says", "many", "at"),
    [
        ({}, False, 0.0),
        ({"amr": ["mfa"], "auth_time": int(NOW) - 5}, True, NOW - 5),
        ({"amr": ["pwd", "otp"]}, False, 0.0),
        ({"amr": "mfa"}, False, 0.0),
        ({"acr": "mfa"}, False, 0.0),
    ],
)
def test_a_second_factor_is_believed_only_as_it_is_said(says: dict[str, Any], many: bool, at: float) -> None:
    found = signed_on(token(**says), KEYS, CLIENT, "n", NOW)
    assert (found.many_factors, found.at) == (many, at)
    assert "sub-1" not in repr(found)


@pytest.mark.parametrize("says", [{"auth_time": "yesterday"}, {"exp": "soon"}, {"iat": "now"}, {"aud": 7}, {"aud": []}])
def test_claims_of_another_kind_are_refused(says: dict[str, Any]) -> None:
    with pytest.raises(Denied, match="proof-refused"):
        believed(token(**says))


# -- tries


def test_a_try_is_good_once_for_its_own_browser() -> None:
    tries = Tries(HandClock())
    state, begun = tries.begin("mine")
    assert tries.end(state, "mine") == begun
    for again, visit in ((state, "mine"), ("made-up", "mine"), (tries.begin("mine")[0], "theirs")):
        with pytest.raises(Denied, match="proof-refused"):
            tries.end(again, visit)
    assert not [secret for secret in (begun.nonce, begun.verifier) if secret in repr(begun)]


@pytest.mark.parametrize(("after", "good"), [(299.0, True), (300.0, False)])
def test_a_try_lasts_five_minutes(after: float, good: bool) -> None:
    clock = HandClock()
    tries = Tries(clock)
    state, begun = tries.begin("mine")
    clock.now += after
    if good:
        assert tries.end(state, "mine") == begun
    else:
        with pytest.raises(Denied):
            tries.end(state, "mine")


def test_tries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quietline.access.oidc.REMEMBERED", 3)
    tries = Tries(HandClock())
    states = [tries.begin("mine")[0] for _ in range(5)]
    assert len(tries._kept) == 3
    assert tries.end(states[-1], "mine")
    with pytest.raises(Denied):
        tries.end(states[0], "mine")


@pytest.mark.parametrize("endpoint", ["https://login.example/authorize", "https://login.example/authorize?tenant=a"])
def test_the_address_shows_the_challenge_and_never_the_verifier(endpoint: str) -> None:
    state, begun = Tries(HandClock()).begin("mine")
    made = address(endpoint, CLIENT, state, begun)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(made).query).items()}
    digest = hashlib.sha256(begun.verifier.encode()).digest()
    assert asked["code_challenge"] == urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert begun.verifier not in made
    assert 43 <= len(begun.verifier) <= 128  # RFC 7636 §4.1
    assert (asked["state"], asked["nonce"], asked.get("tenant", "a")) == (state, begun.nonce, "a")


# -- settings


@pytest.mark.parametrize(
    "url", ["https://login.example", "http://127.0.0.1:5000", "http://localhost/x", "http://[::1]/"]
)
def test_a_provider_is_asked_over_https_or_on_this_machine(url: str) -> None:
    assert require_https(url, "issuer") == url


@pytest.mark.parametrize(
    "url", ["http://login.example", "ftp://login.example", "login.example", "", "http://127.0.0.1.evil.example"]
)
def test_elsewhere_nothing_goes_in_the_clear(url: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        require_https(url, "issuer")


def test_our_name_toward_browsers_is_the_pages_own() -> None:
    config = Config()
    edge = replace(config.edge, realm="desk.example", origins=("https://other.example",))
    for port, origin in ((443, "https://desk.example"), (8444, "https://desk.example:8444")):
        party = party_of(replace(config, edge=edge, web=replace(config.web, port=port)))
        assert (party.id, party.origins) == ("desk.example", (origin, "https://other.example"))


def test_a_role_that_nobody_has_needs_no_second_factor() -> None:
    config = Config()
    check_roles(config)
    with pytest.raises(ConfigError, match="second_factor_roles: king"):
        check_roles(replace(config, vault=replace(config.vault, second_factor_roles=("king",))))
