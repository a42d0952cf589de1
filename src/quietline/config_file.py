"""Reads the configuration file. Every error names the file, the line, the key and the fix."""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
import tomllib
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from quietline import carriers
from quietline.config import (
    LEAST_ARGON2_MEMORY_KIB,
    LEAST_ARGON2_PASSES,
    Carrier,
    Config,
    CustomField,
    Queue,
    Store,
    Trunk,
    Vault,
)
from quietline.errors import ConfigError
from quietline.vault import custom

LISTS: dict[str, type] = {
    "trunk": Trunk,
    "carrier": Carrier,
    "store": Store,
    "queue": Queue,
    "field": CustomField,
}  # [[trunk]] fills Config.trunks

DECODERS: dict[Any, Callable[[Any], Any]] = {Path: Path, float: float}


UDP_PORTS = (
    "edge.cleartext_port",
    "edge.internal_port",
    "controller.sip_port",
    "relay.ng_port",
    "relay.digits_port",
)


def load(path: Path) -> Config:
    """The configuration in `path`. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); `quietline config new` writes one to start from"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    return parse(text, str(path))


def parse(text: str, name: str = "configuration") -> Config:
    """The configuration in a text; `name` stands in error messages."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}: this is not TOML") from None
    reader = _Reader(text, name)
    values = {_plural(key): reader.section(key, value) for key, value in data.items()}
    config = Config(**values)
    _check(config, reader)
    return config


def dump(config: Config) -> str:
    """The configuration as a file that `parse` reads back to an equal one; values that are the default are left out."""
    lines: list[str] = []
    for field in fields(Config):
        value = getattr(config, field.name)
        if isinstance(value, tuple):
            for item in value:
                lines += [f"[[{field.name[:-1]}]]", *_entries(item), ""]
        elif value != getattr(Config(), field.name):
            lines += [f"[{field.name}]", *_entries(value), ""]
    return "\n".join(lines)


def _entries(table: Any) -> list[str]:
    changed = [field for field in fields(table) if getattr(table, field.name) != field.default]
    return [f"{field.name} = {_toml(getattr(table, field.name))}" for field in changed]


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, (str, Path)):
        return json.dumps(str(value), ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self._lines = text.splitlines()
        self._name = name

    def section(self, key: str, value: Any) -> Any:
        known = {field.name: field for field in fields(Config)}
        if key in LISTS and isinstance(value, list):
            return tuple(self.table(LISTS[key], item, key, index) for index, item in enumerate(value))
        if key in LISTS:
            raise self.error(key, "", f"write it as [[{key}]], one for each")
        if key not in known or _plural(key) != key:
            raise self.error(key, "", f"unknown section; {_nearest(key, [*known, *LISTS])}")
        section_type = typing.get_type_hints(Config)[key]
        if not isinstance(value, dict):
            raise self.error(key, "", f"write it as a table: [{key}]")
        return self.table(section_type, value, key)

    def table(self, kind: type, value: dict[str, Any], section: str, index: int = 0) -> Any:
        assert is_dataclass(kind)
        hints = typing.get_type_hints(kind)
        for key in value:
            if key not in hints:
                raise self.error(section, key, f"unknown key; {_nearest(key, list(hints))}", index)
        for field in fields(kind):
            if field.default is MISSING and field.default_factory is MISSING and field.name not in value:
                raise self.error(section, "", f"`{field.name}` is missing; add it", index)
        return kind(**{key: self.value(hints[key], given, section, key, index) for key, given in value.items()})

    def value(self, kind: Any, given: Any, section: str, key: str, index: int) -> Any:
        if isinstance(kind, types.GenericAlias):
            if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
                raise self.error(section, key, 'want a list of texts: ["...", "..."]', index)
            return tuple(given)
        wanted: Any = {Path: str, float: (int, float)}.get(kind, kind)
        if not isinstance(given, wanted) or (isinstance(given, bool) and kind is not bool):
            raise self.error(section, key, f"want {_called(kind)}, found {_called(type(given))}", index)
        return DECODERS.get(kind, lambda plain: plain)(given)

    def error(self, section: str, key: str, what: str, index: int = 0) -> ConfigError:
        where = f"[{section}] {key}".strip()
        return ConfigError(f"{self._name}, line {self._line(section, key, index)}: {where}: {what}")

    def _line(self, section: str, key: str, index: int) -> int:
        header = re.compile(rf"^\s*\[+\s*{re.escape(section)}\s*\]+")
        starts = [number for number, line in enumerate(self._lines, 1) if header.match(line)]
        start = starts[min(index, len(starts) - 1)] if starts else 1
        entry = re.compile(rf'^\s*"?{re.escape(key)}"?\s*=')
        for number in range(start, len(self._lines) + 1) if key else ():
            if entry.match(self._lines[number - 1]):
                return number
        return start


def _check(config: Config, reader: _Reader) -> None:
    """What types cannot say."""
    for name, port in _ports(config).items():
        section, _, key = name.partition(".")
        if not 0 <= port <= 65_535:
            raise reader.error(section, key, "a port is 1 to 65535")
    used: dict[int, str] = {}
    for name, port in _ports(config).items():
        if port and port in used:
            section, _, key = name.partition(".")
            raise reader.error(section, key, f"port {port} is taken by {used[port]}; choose another")
        used[port] = name
    if not config.relay.port_min + 3 < config.relay.port_max < 65_536:
        raise reader.error("relay", "port_max", "want port_min < port_max, room for at least one call")
    for name in UDP_PORTS:  # rtpengine binds its media ports beside whoever has them, and takes their datagrams
        if config.relay.port_min <= _ports(config)[name] <= config.relay.port_max:
            section, _, key = name.partition(".")
            raise reader.error(section, key, "lies in the relay's media range, port_min to port_max; choose another")
    for section, key, addresses in (
        ("edge", "addresses", config.edge.addresses),
        ("web", "addresses", config.web.addresses),
        ("relay", "interfaces", config.relay.interfaces),
    ):
        _check_addresses(reader, section, key, addresses)
    _check_vault(config.vault, reader)
    _check_trunks(config, reader)
    _check_carriers(config, reader)
    _check_plan(config, reader)
    _check_fields(config.fields, reader)
    _check_shop(config, reader)


def _check_addresses(reader: _Reader, section: str, key: str, addresses: tuple[str, ...]) -> None:
    if not addresses:
        raise reader.error(section, key, "name at least one address")
    for each in (part for address in addresses for part in address.split("/")[-1].split("!")):
        try:
            ipaddress.ip_address(each)
        except ValueError:
            raise reader.error(section, key, f"{each!r} is not an IPv4 or IPv6 address") from None


def _check_vault(vault: Vault, reader: _Reader) -> None:
    if vault.argon2_memory_kib < LEAST_ARGON2_MEMORY_KIB:
        raise reader.error("vault", "argon2_memory_kib", f"want at least {LEAST_ARGON2_MEMORY_KIB} (OWASP)")
    if vault.argon2_passes < LEAST_ARGON2_PASSES:
        raise reader.error("vault", "argon2_passes", f"want at least {LEAST_ARGON2_PASSES} (OWASP)")
    if vault.callback_tries < 1 or vault.callback_seconds <= 0:
        key = "callback_tries" if vault.callback_tries < 1 else "callback_seconds"
        raise reader.error("vault", key, "want more than 0; offer no callbacks in the flows to have none")
    if vault.kms not in ("file", "openbao"):
        raise reader.error("vault", "kms", 'want "file" or "openbao"')
    for key in ("kek_window_seconds", "backup_keys_days", "backup_days", "backup_every_days"):
        if getattr(vault, key) < 0:
            raise reader.error("vault", key, "want 0 or more")
    if vault.backup_days < vault.backup_keys_days:
        raise reader.error("vault", "backup_days", "want at least backup_keys_days: records are of use with keys alone")
    if vault.last_agent_seconds < 0:
        raise reader.error("vault", "last_agent_seconds", "want 0 (nothing is kept) or more")


def _check_trunks(config: Config, reader: _Reader) -> None:
    names: set[str] = set()
    for index, trunk in enumerate(config.trunks):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", trunk.name) or trunk.name in names:
            raise reader.error("trunk", "name", "want a unique name of a-z, 0-9 and -", index)
        names.add(trunk.name)
        if not (trunk.addresses or trunk.certificate_name or trunk.digest_user):
            raise reader.error("trunk", "name", "how is it known? addresses, certificate_name or digest_user", index)
        for address in trunk.addresses:
            try:
                ipaddress.ip_network(address)
            except ValueError:
                raise reader.error("trunk", "addresses", f"{address!r} is no address or network", index) from None
        if trunk.dialled_from not in ("request-uri", "to", "diversion"):
            raise reader.error("trunk", "dialled_from", "want request-uri, to or diversion", index)
        if trunk.cleartext and not config.edge.cleartext_port:
            raise reader.error("trunk", "cleartext", "a cleartext trunk needs [edge] cleartext_port", index)


def _check_carriers(config: Config, reader: _Reader) -> None:
    taken: set[str] = set()
    for index, carrier in enumerate(config.carriers):
        try:
            carriers.check(config, carrier)
        except ConfigError as error:
            key, _, what = str(error).partition(": ")
            raise reader.error("carrier", key, what, index) from None
        if carrier.trunk in taken:
            raise reader.error("carrier", "trunk", "has a carrier already; one for each trunk", index)
        taken.add(carrier.trunk)


def _check_shop(config: Config, reader: _Reader) -> None:
    shop = config.shop
    if not shop.url:
        return
    for key in ("key_file", "webhook_secret_file"):
        if not getattr(shop, key):
            raise reader.error("shop", key, "name the file; secrets are never in this one")
    if not re.match(r"https://|http://(127\.0\.0\.1|localhost|\[::1\])(:|/|$)", shop.url):
        raise reader.error("shop", "url", "want https://; plain http only to this machine")
    _check_addresses(reader, "shop", "addresses", shop.addresses)
    if not shop.certificate and not all(ipaddress.ip_address(each).is_loopback for each in shop.addresses):
        raise reader.error("shop", "addresses", "beyond this machine webhooks need [shop] certificate and key")
    if shop.poll_seconds < 1:
        raise reader.error("shop", "poll_seconds", "want at least 1")
    if config.stores and shop.controller not in {store.controller for store in config.stores}:
        raise reader.error("shop", "controller", "no store has this controller")


def _check_fields(own: tuple[CustomField, ...], reader: _Reader) -> None:
    for index, each in enumerate(own):
        try:
            custom.check(each, own[:index])
        except ConfigError as error:
            key, _, what = str(error).partition(": ")
            raise reader.error("field", key, what, index) from None


def _check_plan(config: Config, reader: _Reader) -> None:
    digits: dict[str, str] = {}
    for index, queue in enumerate(config.queues):
        if not re.fullmatch(r"[0-9]", queue.digit) or queue.digit in digits:
            raise reader.error("queue", "digit", "want one key, 0 to 9, used by no other queue", index)
        digits[queue.digit] = queue.id
    numbers: dict[str, str] = {}
    for index, store in enumerate(config.stores):
        for number in store.numbers:
            if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number):
                raise reader.error("store", "numbers", f"{number!r} is not E.164: +, country, number", index)
            if number in numbers:
                raise reader.error("store", "numbers", f"also the number of {numbers[number]}", index)
            numbers[number] = store.id


def _ports(config: Config) -> dict[str, int]:
    edge, relay, controller = config.edge, config.relay, config.controller
    return {
        "edge.tls_port": edge.tls_port,
        "edge.trunk_port": edge.trunk_port,
        "edge.wss_port": edge.wss_port,
        "edge.cleartext_port": edge.cleartext_port,
        "edge.internal_port": edge.internal_port,
        "controller.sip_port": controller.sip_port,
        "relay.ng_port": relay.ng_port,
        "relay.digits_port": relay.digits_port,
        "web.port": config.web.port,
        "shop.port": config.shop.port,
    }


def _plural(key: str) -> str:
    return key + "s" if key in LISTS else key


def _nearest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, 1)
    return f"did you mean `{close[0]}`?" if close else "known: " + ", ".join(sorted(known))


def _called(kind: Any) -> str:
    names = {str: "a text", Path: "a path", int: "a whole number", float: "a number", bool: "true or false"}
    return names.get(kind, f"a {getattr(kind, '__name__', kind)}")
