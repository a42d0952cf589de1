"""The edge's generated configuration: what is in it for which configuration, and what never gets into it."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from quietline.config import Certificates, Config, Controller, Edge, Paths, Trunk, Users, Web
from quietline.errors import ConfigError
from quietline.telephony.edge import (
    TOWARD_CONTROLLER,
    TOWARD_PHONE,
    check_edge,
    edge_command,
    edge_folder,
    render_edge,
    rpc_socket,
    write_edge,
)

KEY = bytes(range(32))
CLEAR = Trunk("clear", addresses=("192.0.2.0/24",), cleartext=True)


def config(edge: Edge | None = None, trunks: tuple[Trunk, ...] = (), **others: object) -> Config:
    return replace(Config(edge=edge or Edge(), trunks=trunks), **others)  # type: ignore[arg-type]


def kamailio(edge: Edge | None = None, trunks: tuple[Trunk, ...] = (), **others: object) -> str:
    return render_edge(config(edge, trunks, **others), KEY)["kamailio.cfg"]


def test_the_three_files() -> None:
    assert set(render_edge(config(), KEY)) == {"kamailio.cfg", "tls.cfg", "dispatcher.list"}
    assert render_edge(config(), KEY)["dispatcher.list"] == "1 sip:127.0.0.1:5070\n"


def test_listeners_of_the_default_configuration() -> None:
    lines = [line for line in kamailio().splitlines() if line.startswith("listen=")]
    assert lines == [
        "listen=tls:127.0.0.1:5061",
        "listen=tls:127.0.0.1:5063",
        "listen=tls:127.0.0.1:8443",
        "listen=udp:127.0.0.1:5090",
    ]


def test_both_families_and_an_advertised_address_for_its_own_family_only() -> None:
    text = kamailio(Edge(addresses=("192.0.2.10", "2001:db8::10"), advertised="198.51.100.7"))
    assert "listen=tls:192.0.2.10:5061 advertise 198.51.100.7:5061\n" in text
    assert "listen=tls:[2001:db8::10]:5061\n" in text
    assert "listen=udp:127.0.0.1:5090\n" in text


def test_there_is_a_cleartext_listener_only_for_a_trunk_named_so() -> None:
    named = Edge(cleartext_port=5060)
    assert ":5060" not in kamailio(named, (Trunk("a", addresses=("192.0.2.1",)),))
    assert "listen=udp:127.0.0.1:5060\n" in kamailio(named, (CLEAR,))


def test_one_tls_worker() -> None:
    assert "\ntcp_children=1\n" in kamailio()


def test_a_quiet_log_and_no_core_files() -> None:
    assert "\ndebug=-2\n" in kamailio()
    assert "\ndisable_core_dump=yes\n" in kamailio()


def test_tls_files_and_the_mutual_port() -> None:
    own = Certificates(certificate="/etc/q/edge.pem", key="/etc/q/edge.key", trunk_ca="/etc/q/carriers.pem")
    text = render_edge(config(Edge(addresses=("127.0.0.1", "::1")), certificates=own), KEY)["tls.cfg"]
    for section in ("[server:default]", "[server:127.0.0.1:5063]", "[server:[::1]:5063]", "[client:default]"):
        assert section in text
    assert text.count("require_certificate = yes") == 3
    assert text.count("method = TLSv1.2+") == 4
    assert "ca_list = /etc/q/carriers.pem" in text
    assert "certificate = /etc/q/edge.pem" in text


def test_the_local_ca_is_the_default() -> None:
    assert "certificate = /var/lib/quietline/ca/edge.pem" in render_edge(config(), KEY)["tls.cfg"]


def test_the_pages_own_origins_and_the_configured_ones() -> None:
    text = kamailio(Edge(realm="Desk.Example", origins=("https://Other.example:8444",)), web=Web(port=9000))
    for origin in (
        "https://desk.example",
        "https://desk.example:9000",
        "https://desk.example:8443",
        "https://other.example:8444",
    ):
        assert f'$var(origin) == "{origin}"' in text


def test_trunks_by_address_and_certificate() -> None:
    trunks = (Trunk("a", addresses=("192.0.2.1", "2001:db8::/32")), Trunk("b", certificate_name="b.example"))
    text = kamailio(trunks=trunks)
    assert 'is_in_subnet("$si", "192.0.2.1/32")' in text
    assert 'is_in_subnet("$si", "2001:db8::/32")' in text
    assert '$tls_peer_subject_cn == "b.example"' in text


def test_digest_is_asked_only_where_a_trunk_uses_it() -> None:
    assert "proxy_challenge" not in kamailio()
    assert "proxy_challenge" in kamailio(trunks=(Trunk("d", digest_user="carrier"),))


def test_the_leg_key_is_in_one_file_and_the_mask_key_is_another() -> None:
    files = render_edge(config(), KEY)
    assert files["kamailio.cfg"].count(KEY.hex()) == 1
    assert KEY.hex() not in files["tls.cfg"] + files["dispatcher.list"]
    other = render_edge(config(), bytes(32))["kamailio.cfg"]
    mask = [line for line in files["kamailio.cfg"].splitlines() if "mask_key" in line]
    assert mask != [line for line in other.splitlines() if "mask_key" in line]


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)])
def test_a_key_of_another_length_is_refused(key: bytes) -> None:
    with pytest.raises(ConfigError, match="32 bytes"):
        render_edge(config(), key)


@pytest.mark.parametrize(
    "secret", ["X-QL-Leg", "P-Asserted-Identity", "Remote-Party-ID", "User-Agent", "Server", "Subject"]
)
def test_no_private_header_is_on_a_list(secret: str) -> None:
    for allowed in (TOWARD_CONTROLLER, TOWARD_PHONE):
        assert secret.lower() not in allowed.lower().strip("^()$").split("|")


WRONG = [
    ("edge.realm", Edge(realm='x"; drop')),
    ("edge.realm", Edge(realm="")),
    ("edge.addresses", Edge(addresses=("localhost",))),
    ("edge.addresses", Edge(addresses=("0.0.0.0",))),
    ("edge.addresses", Edge(addresses=("127.0.0.1", "::"))),
    ("edge.addresses", Edge(addresses=("127.0.0.1\nlisten=udp:0.0.0.0:1",))),
    ("edge.addresses", Edge(advertised="public.example")),
    ("edge.origins", Edge(origins=('https://x" || 1 == 1',))),
    ("edge.origins", Edge(origins=("http://x.example",))),
    ("edge", Edge(tls_port=0)),
    ("edge", Edge(tls_port=70_000)),
    ("edge", Edge(tls_port=5063)),
    ("edge", Edge(internal_port=5070)),
]


@pytest.mark.parametrize(("key", "edge"), WRONG)
def test_a_wrong_edge_names_its_key(key: str, edge: Edge) -> None:
    with pytest.raises(ConfigError, match=f"^{key}"):
        render_edge(config(edge), KEY)


WRONG_TRUNKS = [
    ("trunks.name", Trunk("A B", addresses=("192.0.2.1",))),
    ("trunks.name", Trunk('a"', addresses=("192.0.2.1",))),
    ("trunks.a", Trunk("a")),
    ("trunks.a.addresses", Trunk("a", addresses=("192.0.2.1/24",))),
    ("trunks.a.addresses", Trunk("a", addresses=("carrier.example",))),
    ("trunks.a.certificate_name", Trunk("a", certificate_name='x" || "1')),
    ("trunks.a.digest_user", Trunk("a", digest_user='x"')),
    ("trunks.a.dialled_from", Trunk("a", addresses=("192.0.2.1",), dialled_from="sky")),
    ("trunks.a.cleartext", Trunk("a", digest_user="x", cleartext=True)),
    ("trunks.a.cleartext", Trunk("a", addresses=("192.0.2.1",), cleartext=True)),
]


@pytest.mark.parametrize(("key", "trunk"), WRONG_TRUNKS)
def test_a_wrong_trunk_names_its_key(key: str, trunk: Trunk) -> None:
    with pytest.raises(ConfigError, match=f"^{key}"):
        check_edge(config(trunks=(trunk,)))


def test_two_trunks_of_one_name_are_refused() -> None:
    twice = (Trunk("a", addresses=("192.0.2.1",)), Trunk("a", digest_user="x"))
    with pytest.raises(ConfigError, match="every name once"):
        check_edge(config(trunks=twice))


def test_a_path_cannot_break_out() -> None:
    with pytest.raises(ConfigError, match=r"^paths"):
        check_edge(config(paths=Paths(run=Path('/run/x"\nlisten=udp:0.0.0.0:1'))))


def test_the_command_runs_in_the_foreground() -> None:
    command = edge_command(config())
    assert command[0] == "/usr/sbin/kamailio"
    assert {"-DD", "-E"} < set(command)
    assert "-u" not in command  # the supervisor has changed the user already


def test_files_are_private_from_the_start(tmp_path: Path) -> None:
    here = config(paths=Paths(tmp_path / "state", tmp_path / "run", tmp_path / "log"), users=Users("", "", "", "", ""))
    write_edge(here, KEY)
    write_edge(here, KEY)  # again, over read-only files
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in edge_folder(here).iterdir()}
    assert modes == {"kamailio.cfg": 0o400, "tls.cfg": 0o400, "dispatcher.list": 0o400}
    assert stat.S_IMODE(edge_folder(here).stat().st_mode) == 0o2750
    assert rpc_socket(here).parent == edge_folder(here)


def test_a_user_that_does_not_exist_is_no_silent_fallback(tmp_path: Path) -> None:
    here = config(paths=Paths(tmp_path / "state", tmp_path / "run", tmp_path / "log"), users=Users(edge="nobody-such"))
    with pytest.raises(KeyError):
        write_edge(here, KEY)


def test_the_controllers_port_is_the_one_source_and_target_inside() -> None:
    text = kamailio(controller=Controller(sip_port=6070))
    assert "$sp != 6070" in text
    assert "$nh(p) != 6070" in text
