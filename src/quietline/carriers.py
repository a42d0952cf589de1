"""Calls out by a carrier: what may be dialled, and which of our numbers is shown. Pure.

The customer sees their store's own number, never the agent's. The edge enforces these rules (`telephony/outbound.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import phonenumbers

from quietline.config import Carrier, Config, Trunk
from quietline.errors import ConfigError

E164 = re.compile(r"\+[1-9][0-9]{6,14}")  # ITU-T E.164 §6: 15 digits at most
PREFIX = re.compile(r"\+[1-9][0-9]{0,9}")
IDENTITIES = ("from", "asserted", "both")

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z0-9_.+-]{1,64}")


@dataclass(frozen=True, slots=True)
class Route:
    """How one call goes out: by which carrier, with which of our numbers shown."""

    carrier: Carrier
    shown: str  # E.164
    cleartext: bool = False  # by a trunk that is named so

    @property
    def caller(self) -> str:
        """The From value without its tag. Never a person's name."""
        by_user = self.carrier.identity == "asserted"
        if self.carrier.withhold:
            return "<sip:anonymous@anonymous.invalid>"  # RFC 3323 §4.1.1.3
        return f"<sip:{self.carrier.user if by_user else self.shown}@{self.carrier.host}>"

    def uri(self, number: str) -> str:
        """The Request-URI for an E.164 number."""
        return f"sip:{number}@{self.carrier.host}"


def route(config: Config, wanted: str = "", trunk: str = "") -> Route | None:
    """The carrier for a call on behalf of the store with the number `wanted`: by `trunk`, where the call came in,
    before others. Where that number may not be shown, the carrier's first is. None when no carrier can take it."""
    ordered = sorted(config.carriers, key=lambda carrier: carrier.trunk != trunk)
    routes = [(carrier, shows(config, carrier)) for carrier in ordered]
    chosen = [(carrier, wanted) for carrier, numbers in routes if wanted in numbers]
    chosen += [(carrier, numbers[0]) for carrier, numbers in routes if numbers]
    return next((Route(carrier, shown, trunk_of(config, carrier).cleartext) for carrier, shown in chosen), None)


def shows(config: Config, carrier: Carrier) -> tuple[str, ...]:
    """Our numbers that this carrier may show."""
    ours = tuple(number for store in config.stores for number in store.numbers)
    return carrier.shows or ours


def dials(config: Config, carrier: Carrier) -> tuple[str, ...]:
    """Beginnings of the numbers that may be dialled by this carrier."""
    country = phonenumbers.country_code_for_region(trunk_of(config, carrier).country)
    return carrier.dials or (f"+{country}",)


def check(config: Config, carrier: Carrier) -> None:
    """Everything that goes into the edge's script, against a pattern. Raises ConfigError, "key: what to do"."""
    trunk = next((trunk for trunk in config.trunks if trunk.name == carrier.trunk), None)
    _need(trunk, "trunk", "no [[trunk]] has this name")
    _need(_HOST.fullmatch(carrier.host), "host", "want a host name or an address")
    name = carrier.certificate_name or "x"
    _need(_HOST.fullmatch(name), "certificate_name", "want a host name")
    _need(0 < carrier.port < 65_536, "port", "a port is 1 to 65535")
    _need(not carrier.user or _USER.fullmatch(carrier.user), "user", "want letters, digits, _ . + -")
    _need(bool(carrier.user) == bool(carrier.password_file), "password_file", "user and password_file go together")
    _need(carrier.user or not carrier.register, "register", "needs a user and its password_file")
    _need(30 <= carrier.register_seconds <= 86_400, "register_seconds", "want 30 to 86400")
    _need(all(E164.fullmatch(each) for each in carrier.shows), "shows", "want E.164 numbers: +, country, number")
    _need(carrier.shows or config.stores, "shows", "which number is shown? name one, or a [[store]] with numbers")
    _need(all(PREFIX.fullmatch(each) for each in carrier.dials), "dials", "want beginnings of E.164 numbers, as +44")
    _need(carrier.identity in IDENTITIES, "identity", "want from, asserted or both")
    needs_user = carrier.identity == "asserted" and not carrier.withhold
    _need(carrier.user or not needs_user, "identity", "asserted puts the user into From: name one")
    _need(not carrier.withhold or carrier.identity != "from", "withhold", "needs identity asserted or both")
    _need(carrier.max_calls > 0, "max_calls", "want at least 1")
    _need(carrier.ring_seconds >= 5, "ring_seconds", "want at least 5 seconds")


def _need(condition: object, key: str, what: str) -> None:
    if not condition:
        raise ConfigError(f"{key}: {what}")


def trunk_of(config: Config, carrier: Carrier) -> Trunk:
    """The [[trunk]] that the carrier belongs to; `check` has made sure of it."""
    return next(trunk for trunk in config.trunks if trunk.name == carrier.trunk)
