"""Calls out by a carrier: what may be dialled, which of our numbers is shown, and what the edge is told of it. Pure.

The customer sees their store's own number, never the agent's; the carrier learns nothing of the agent. The rules are
the edge's to enforce (`edge_template/outbound.cfg.j2`), so that a controller gone bad can neither show a foreign number
nor dial abroad; the controller only asks.
"""

from __future__ import annotations

import ipaddress
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import phonenumbers

from quietline.config import Carrier, Config, Trunk
from quietline.errors import ConfigError

E164 = re.compile(r"\+[1-9][0-9]{6,14}")  # ITU-T E.164 §6: 15 digits at most
PREFIX = re.compile(r"\+[1-9][0-9]{0,9}")
IDENTITIES = ("from", "asserted", "both")
MAX_PASSWORD = 128  # characters

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
    return next((Route(carrier, shown, _trunk(config, carrier).cleartext) for carrier, shown in chosen), None)


def shows(config: Config, carrier: Carrier) -> tuple[str, ...]:
    """Our numbers that this carrier may show."""
    ours = tuple(number for store in config.stores for number in store.numbers)
    return carrier.shows or ours


def dials(config: Config, carrier: Carrier) -> tuple[str, ...]:
    """Beginnings of the numbers that may be dialled by this carrier."""
    country = phonenumbers.country_code_for_region(_trunk(config, carrier).country)
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


def _trunk(config: Config, carrier: Carrier) -> Trunk:
    return next(trunk for trunk in config.trunks if trunk.name == carrier.trunk)


def passwords(carriers: Iterable[Carrier]) -> dict[str, str]:
    """Trunk name -> password, read from the files. Raises ConfigError naming the file and the fix."""
    return {carrier.trunk: _password(Path(carrier.password_file)) for carrier in carriers if carrier.password_file}


def _password(path: Path) -> str:
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="ascii").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the carrier's password cannot be read ({type(error).__name__})") from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path}: others may read the carrier's password; chmod 0400 it")
    if not 1 <= len(text) <= MAX_PASSWORD or not text.isprintable():
        raise ConfigError(f"{path}: want one line of 1 to {MAX_PASSWORD} printable ASCII characters")
    return text


# What the edge is told


def template_values(config: Config, secrets: Mapping[str, str]) -> list[dict[str, Any]]:
    """One dictionary a carrier. Passwords go in hex, so that no character of theirs can break out of its place."""
    return [_values(config, carrier, secrets.get(carrier.trunk, "")) for carrier in config.carriers]


def _values(config: Config, carrier: Carrier, password: str) -> dict[str, Any]:
    cleartext = _trunk(config, carrier).cleartext
    digits = "|".join(prefix[1:] for prefix in dials(config, carrier))
    return {
        "trunk": carrier.trunk,
        "host": _bracketed(carrier.host),
        "next_hop": f"sip:{_bracketed(carrier.host)}:{carrier.port};transport={'udp' if cleartext else 'tls'}",
        "cleartext": cleartext,
        "certificate_name": carrier.certificate_name or carrier.host,
        "named_by_address": not carrier.certificate_name and _is_address(carrier.host),
        "user": carrier.user,
        "password_hex": password.encode().hex(),
        "shows": shows(config, carrier),
        "from_users": _from_users(config, carrier),
        "asserts": carrier.identity in ("asserted", "both"),
        "withhold": carrier.withhold,
        "dials": rf"^\+({digits})[0-9]+$",
        "max_calls": carrier.max_calls,
    }


def _from_users(config: Config, carrier: Carrier) -> tuple[str, ...]:
    if carrier.withhold:
        return ("anonymous",)
    return (carrier.user,) if carrier.identity == "asserted" else shows(config, carrier)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


REGISTRATIONS = (
    "id(int,auto) l_uuid(string) l_username(string) l_domain(string) r_username(string) r_domain(string) "
    "realm(string,null) auth_username(string) auth_password(string) auth_ha1(string,null) auth_proxy(string) "
    "expires(int) flags(int) reg_delay(int) contact_addr(string,null) socket(string,null)"
)
TABLE_VERSIONS = "id(int,auto) table_name(string) table_version(int)\n1:uacreg:5\n"


def registrations(config: Config, secrets: Mapping[str, str]) -> str:
    """Kamailio's table of the carriers we sign in at (uac, db_text)."""
    wanted = [each for each in config.carriers if each.register]
    return "\n".join([REGISTRATIONS, *(_row(config, at, each, secrets) for at, each in enumerate(wanted, 1)), ""])


def _row(config: Config, at: int, carrier: Carrier, secrets: Mapping[str, str]) -> str:
    transport = "udp" if _trunk(config, carrier).cleartext else "tls"
    host = _bracketed(carrier.host)
    values = (
        *(str(at), carrier.trunk, carrier.user, config.edge.realm, carrier.user, host, "", carrier.user),
        *(secrets.get(carrier.trunk, ""), "", f"sip:{host}:{carrier.port};transport={transport}"),
        *(str(carrier.register_seconds), "0", "0", "", ""),
    )
    return ":".join(value.replace("\\", "\\\\").replace(":", "\\:") for value in values)
