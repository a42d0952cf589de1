"""The edge: Kamailio's generated configuration and its command line. Asking it things is `edge_rpc.py`.

`render_edge` is pure. `write_edge` puts the files into `paths.run`/edge, readable by the edge's user alone, because
kamailio.cfg holds the leg key. The supervisor starts `edge_command` under that user id; no process needs to be root.
"""

from __future__ import annotations

import grp
import hashlib
import hmac
import ipaddress
import os
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from quietline import carriers
from quietline.config import Config, Trunk
from quietline.errors import ConfigError
from quietline.telephony import outbound
from quietline.telephony.certificates import certificate_paths
from quietline.telephony.edge_rpc import EdgeRpc as EdgeRpc
from quietline.telephony.private_files import owner_ids, write_private

KAMAILIO = "/usr/sbin/kamailio"
MODULES = "/usr/lib/x86_64-linux-gnu/kamailio/modules/"
CARRIERS_CA = "carriers.pem"
SHARED_MEMORY_MB = 256
BUSY_RETRY_AFTER = 5  # seconds, as the controller says it (sip/core.py)
GRACE_SECONDS = 30  # after a start, unknown phones are asked to come again instead of being counted as scanners
IDLE_SECONDS = 60  # a connection that neither signs in nor calls
_SPARE_SECONDS = 600  # a dialog may outlive the controller's limit by so much, for the BYE and its retries

# What may pass besides the headers that SIP itself needs (Via, From, To, Call-ID, CSeq, Contact, Route, Content-*).
# Lists of what is let through, so that a header nobody thought of stays out (product.md, promise 1). TH is topoh's note
# to itself, which it takes out before sending.
_COMMON = "Supported|k|Require|Unsupported|Allow|Accept|Session-Expires|x|Min-SE|RSeq|RAck|Retry-After|MIME-Version|TH"
TOWARD_CONTROLLER = f"^({_COMMON}|Reason|Refer-To|r|Event|o|Subscription-State)$"
TOWARD_CONTROLLER_ASKED = f"^({_COMMON}|Proxy-Authenticate|WWW-Authenticate)$"  # a carrier's challenge
TOWARD_PHONE = f"^({_COMMON})$"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z0-9_.+-]{1,64}")
_ORIGIN = re.compile(r"https://[a-z0-9.\[\]:-]{1,255}")


def edge_folder(config: Config) -> Path:
    """Where the edge's files and its RPC socket are."""
    return config.paths.run / "edge"


def rpc_socket(config: Config) -> Path:
    """Kamailio's JSON-RPC datagram socket."""
    return edge_folder(config) / "rpc.sock"


def edge_command(config: Config) -> list[str]:
    """Kamailio in the foreground, one log on stderr. Start it as `users.edge`, after `write_edge`.

    "-x fm": its plain allocator; the default one, made for debugging, took a seventh of the edge's CPU.
    """
    folder = str(edge_folder(config))
    memory = ["-m", str(SHARED_MEMORY_MB), "-x", "fm"]
    return [KAMAILIO, "-f", f"{folder}/kamailio.cfg", "-Y", folder, "-DD", "-E", *memory]


def render_edge(
    config: Config, leg_key: bytes, *, debug: int = -2, passwords: Mapping[str, str] | None = None
) -> dict[str, str]:
    """File name -> text. `leg_key`: 32 random bytes that only the edge and the vault hold. Raises ConfigError.

    `passwords`: ours at the carriers, by trunk.

    `debug` is Kamailio's log level; above -2 (CRIT) its log quotes messages and so holds personal data.
    """
    check_edge(config)
    if len(leg_key) != 32:
        raise ConfigError("leg key: 32 bytes are needed")
    environment = Environment(
        loader=DictLoader(_templates()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 — this is no HTML; every value is checked against a pattern above
    )
    known = passwords or {}
    values = _values(config, leg_key) | {"debug": debug, "carriers": outbound.template_values(config, known)}
    texts = {name: environment.get_template(f"{name}.j2").render(values) for name in ("kamailio.cfg", "tls.cfg")}
    if config.carriers:
        texts |= {"uacreg": outbound.registrations(config, known), "version": outbound.TABLE_VERSIONS}
    return texts | {"dispatcher.list": f"1 sip:127.0.0.1:{config.controller.sip_port}\n"}


def write_edge(config: Config, leg_key: bytes, *, debug: int = -2) -> None:
    """Write the files, mode 0400, for `users.edge`. Run as root, or as the edge's user itself (tests).

    The folder belongs to the edge's user and, set-gid, to the vault's group: so the RPC socket that Kamailio makes in
    it (mode 0660) takes that group, and the edge, root and the vault can use it and nobody else.
    """
    files = render_edge(config, leg_key, debug=debug, passwords=outbound.passwords(config.carriers))
    files |= {CARRIERS_CA: _authorities(config)} if config.carriers else {}
    folder, owner = edge_folder(config), owner_ids(config.users.edge)
    folder.mkdir(parents=True, exist_ok=True)
    if owner is not None:
        os.chown(folder, owner[0], _vault_group(config, owner[1]))
    folder.chmod(0o2750)
    for name, text in files.items():
        write_private(folder / name, text.encode(), 0o400, owner)


def check_edge(config: Config) -> None:
    """Everything that goes into the configuration, against a pattern: nothing can break out of its place there.

    Raises ConfigError naming key and fix.
    """
    edge = config.edge
    _need(_HOST.fullmatch(edge.realm), "edge.realm", edge.realm, "a host name")
    for address in (*edge.addresses, *([edge.advertised] if edge.advertised else [])):
        _need(_is_address(address), "edge.addresses", address, "one IPv4 or IPv6 address, not 0.0.0.0 or ::")
    for origin in edge.origins:
        _need(_ORIGIN.fullmatch(origin.lower()), "edge.origins", origin, "https://host or https://host:port")
    _check_ports(config)
    names = [trunk.name for trunk in config.trunks]
    _need(len(names) == len(set(names)), "trunks", ", ".join(names), "every name once")
    for trunk in config.trunks:
        _check_trunk(trunk, edge.cleartext_port)
    for carrier in config.carriers:
        carriers.check(config, carrier)
    for path in (config.paths.run, *opened_files(config)):
        _need(
            re.fullmatch(r"/[A-Za-z0-9._/+-]+", str(path)), "paths", str(path), "an absolute path of plain characters"
        )


def opened_files(config: Config) -> tuple[Path, Path, Path]:
    """The files that Kamailio itself opens."""
    files = certificate_paths(config)
    return files.certificate, files.key, files.trunk_ca


def _check_trunk(trunk: Trunk, cleartext_port: int) -> None:
    where = f"trunks.{trunk.name}"
    _need(_NAME.fullmatch(trunk.name), "trunks.name", trunk.name, "small letters, digits and hyphens, 32 at most")
    known = trunk.addresses or trunk.certificate_name or trunk.digest_user
    _need(known, where, "", "addresses, certificate_name or digest_user: at least one")
    for network in trunk.addresses:
        _need(_is_network(network), f"{where}.addresses", network, "an address or a network such as 203.0.113.0/24")
    if trunk.certificate_name:
        _need(
            _HOST.fullmatch(trunk.certificate_name), f"{where}.certificate_name", trunk.certificate_name, "a host name"
        )
    if trunk.digest_user:
        _need(_USER.fullmatch(trunk.digest_user), f"{where}.digest_user", trunk.digest_user, "letters, digits, _ . + -")
    dialled = trunk.dialled_from in ("request-uri", "to", "diversion")
    _need(dialled, f"{where}.dialled_from", trunk.dialled_from, "request-uri, to or diversion")
    if trunk.cleartext:
        _need(
            trunk.addresses, f"{where}.cleartext", "true", "addresses: a cleartext trunk is known by its source alone"
        )
        _need(cleartext_port, f"{where}.cleartext", "true", "edge.cleartext_port, the UDP port to listen on")


def _check_ports(config: Config) -> None:
    edge = config.edge
    public = [port for port in (edge.tls_port, edge.trunk_port, edge.wss_port) if port]
    udp = [port for port in (edge.cleartext_port, edge.internal_port, config.controller.sip_port) if port]
    fine = all(0 < port < 65_536 for port in public + udp) and len(public) == 3
    # The script tells listeners apart by port, so a TCP port and a UDP port must differ too.
    _need(fine and len(set(public + udp)) == len(public + udp), "edge", "ports", "six different ports, 1 to 65535")


def _need(condition: object, key: str, value: str, fix: str) -> None:
    if not condition:
        raise ConfigError(f"{key}: {value!r} does not do here; it takes {fix}")


def _is_address(text: str) -> bool:
    """A specific one: phones are told this address (Record-Route), so "any" will not do."""
    return _parses(ipaddress.ip_address, text) and not ipaddress.ip_address(text).is_unspecified


def _is_network(text: str) -> bool:
    return _parses(ipaddress.ip_network, text)


def _parses(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _vault_group(config: Config, fallback: int) -> int:
    """The vault's group, by which it may use the RPC socket. Raises KeyError when the group does not exist."""
    return grp.getgrnam(config.users.vault).gr_gid if config.users.vault else fallback


def _templates() -> dict[str, str]:
    folder = resources.files("quietline.telephony").joinpath("edge_template")
    return {entry.name: entry.read_text() for entry in folder.iterdir() if entry.name.endswith(".cfg.j2")}


def _values(config: Config, leg_key: bytes) -> dict[str, Any]:
    edge, files = config.edge, certificate_paths(config)
    return {
        "realm": edge.realm,
        "run": edge_folder(config),
        "modules_path": MODULES,
        "listeners": _listeners(config),
        "trunk_sockets": [_socket(address, edge.trunk_port) for address in edge.addresses],
        "certificate": files.certificate,
        "key": files.key,
        "trunk_ca": files.trunk_ca,
        "carriers_ca": edge_folder(config) / CARRIERS_CA if config.carriers else files.trunk_ca,
        "contact": _contact(config),
        "trunk_port": edge.trunk_port,
        "wss_port": edge.wss_port,
        "cleartext_port": _cleartext_port(config),
        "internal_port": edge.internal_port,
        "controller_port": config.controller.sip_port,
        "max_connections": edge.max_connections,
        "idle_seconds": IDLE_SECONDS,
        "grace_seconds": GRACE_SECONDS,
        "busy_retry_after": BUSY_RETRY_AFTER,
        "call_seconds": int(config.controller.max_call_seconds) + _SPARE_SECONDS,
        "ban_seconds": edge.ban_seconds,
        "requests_per_source": edge.requests_per_source,
        "failed_sign_ins": edge.failed_sign_ins,
        "invites_per_second": edge.invites_per_second,
        "origins": _origins(config),
        "trunks": [_trunk_values(trunk) for trunk in config.trunks],
        "digest_trunks": [trunk for trunk in config.trunks if trunk.digest_user],
        "toward_controller": TOWARD_CONTROLLER,
        "toward_controller_asked": TOWARD_CONTROLLER_ASKED,
        "toward_phone": TOWARD_PHONE,
        "attests": bool(config.stir.roots),
        "leg_key": leg_key.hex(),
        "mask_key": hmac.new(leg_key, b"quietline topoh", hashlib.sha256).hexdigest(),
    }


def _contact(config: Config) -> str:
    """Where a carrier we sign in at reaches us."""
    edge = config.edge
    return f"{_socket(edge.advertised or edge.addresses[0], edge.tls_port)};transport=tls"


def _authorities(config: Config) -> str:
    """Who may sign a carrier's certificate: all of theirs in one file. Raises ConfigError for one that is missing."""
    wanted = [Path(each.ca) if each.ca else certificate_paths(config).trunk_ca for each in config.carriers]
    try:
        return "\n".join(dict.fromkeys(path.read_text(encoding="ascii") for path in wanted))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"carrier.ca: cannot be read ({type(error).__name__}); name a PEM file") from None


def _trunk_values(trunk: Trunk) -> dict[str, Any]:
    networks = [str(ipaddress.ip_network(network)) for network in trunk.addresses]
    return {name: getattr(trunk, name) for name in Trunk.__slots__} | {"networks": networks}


def _cleartext_port(config: Config) -> int:
    """The UDP port, 0 when no trunk is named with cleartext: then there is no such listener at all."""
    return config.edge.cleartext_port if any(trunk.cleartext for trunk in config.trunks) else 0


def _listeners(config: Config) -> list[str]:
    edge, clear = config.edge, _cleartext_port(config)
    public = [("tls", edge.tls_port), ("tls", edge.trunk_port), ("tls", edge.wss_port)] + [("udp", clear)] * bool(clear)
    outside = [_listener(config, kind, address, port) for address in edge.addresses for kind, port in public]
    return [*outside, f"udp:127.0.0.1:{edge.internal_port}"]


def _listener(config: Config, kind: str, address: str, port: int) -> str:
    public = config.edge.advertised
    same_family = public and ipaddress.ip_address(public).version == ipaddress.ip_address(address).version
    advertise = f" advertise {_socket(public, port)}" if same_family else ""
    return f"{kind}:{_socket(address, port)}{advertise}"


def _socket(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _origins(config: Config) -> list[str]:
    """Origins (RFC 6454) of the desk's page: its own host with web's and the edge's ports, and what is configured."""
    realm, port = config.edge.realm.lower(), config.web.port
    own = [f"https://{realm}", f"https://{realm}:{port}", f"https://{realm}:{config.edge.wss_port}"]
    return list(dict.fromkeys([*own, *(origin.lower() for origin in config.edge.origins)]))
