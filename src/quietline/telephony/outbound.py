"""What the edge is told of the carriers that take our calls; the rules themselves are in `carriers.py`.

They are the edge's to enforce (`edge_template/outbound.cfg.j2`), so that a controller gone bad can neither show a
foreign number nor dial abroad; the controller only asks.
"""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from quietline.carriers import dials, shows, trunk_of
from quietline.config import Carrier, Config
from quietline.errors import ConfigError

MAX_PASSWORD = 128  # characters


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
    cleartext = trunk_of(config, carrier).cleartext
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
    transport = "udp" if trunk_of(config, carrier).cleartext else "tls"
    host = _bracketed(carrier.host)
    values = (
        *(str(at), carrier.trunk, carrier.user, config.edge.realm, carrier.user, host, "", carrier.user),
        *(secrets.get(carrier.trunk, ""), "", f"sip:{host}:{carrier.port};transport={transport}"),
        *(str(carrier.register_seconds), "0", "0", "", ""),
    )
    return ":".join(value.replace("\\", "\\\\").replace(":", "\\:") for value in values)
