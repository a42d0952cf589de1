"""Which carrier takes a call, what it may show and dial; bad settings by name; what the edge is told."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline import carriers
from quietline.chain import reading as chain_reading
from quietline.config import Carrier, Config, Store, Trunk
from quietline.config_file import parse
from quietline.errors import ConfigError
from quietline.telephony import outbound
from quietline.telephony.edge import render_edge

ROOT = Path(__file__).resolve().parents[2]
NORTH, HUB = "+442079460101", "+442079460100"
PLAIN = Carrier("carrier-a", "sip.carrier-a.example")
SIGNED = replace(PLAIN, user="quietline", password_file="/x/password", register=True)
KEY = bytes(range(32))


def config(*lines: Carrier, cleartext: bool = False) -> Config:
    trunks = (
        Trunk("carrier-a", certificate_name="carrier-a.example"),
        Trunk("carrier-b", addresses=("198.51.100.7",), cleartext=cleartext),
    )
    edge = replace(Config().edge, cleartext_port=5060)
    stores = (Store("north", "North", (NORTH,)), Store("hub", "Hub", (HUB,)))
    return Config(edge=edge, trunks=trunks, stores=stores, carriers=lines)


# Which carrier, which number


def test_the_dialled_number_is_shown_and_the_calls_own_trunk_comes_first() -> None:
    settings = config(PLAIN, replace(PLAIN, trunk="carrier-b"))
    found = carriers.route(settings, HUB, "carrier-b")
    assert found
    assert (found.carrier.trunk, found.shown) == ("carrier-b", HUB)
    assert found.caller == f"<sip:{HUB}@sip.carrier-a.example>"
    assert found.uri("+442079460123") == "sip:+442079460123@sip.carrier-a.example"


def test_a_number_that_may_not_be_shown_gives_way_to_another_carrier_and_then_to_another_number() -> None:
    north_only = replace(PLAIN, shows=(NORTH,))
    other = carriers.route(config(north_only, replace(PLAIN, trunk="carrier-b")), HUB, "carrier-a")
    assert other
    assert other.carrier.trunk == "carrier-b"
    alone = carriers.route(config(north_only), HUB, "carrier-a")
    assert alone
    assert alone.shown == NORTH


def test_without_a_carrier_there_is_no_way_out() -> None:
    assert carriers.route(config(), NORTH, "carrier-a") is None


def test_a_cleartext_trunk_says_so() -> None:
    found = carriers.route(config(replace(PLAIN, trunk="carrier-b"), cleartext=True), NORTH)
    assert found
    assert found.cleartext


@pytest.mark.parametrize(
    ("changes", "caller"),
    [
        ({"identity": "both"}, f"<sip:{NORTH}@sip.carrier-a.example>"),
        ({"identity": "asserted"}, "<sip:quietline@sip.carrier-a.example>"),
        ({"identity": "both", "withhold": True}, "<sip:anonymous@anonymous.invalid>"),
    ],
)
def test_who_stands_in_from(changes: dict[str, Any], caller: str) -> None:
    found = carriers.route(config(replace(SIGNED, **changes)), NORTH)
    assert found
    assert found.caller == caller


def test_nothing_abroad_unless_it_is_named() -> None:
    assert carriers.dials(config(PLAIN), PLAIN) == ("+44",)
    assert carriers.dials(config(PLAIN), replace(PLAIN, dials=("+44", "+353"))) == ("+44", "+353")


@given(st.from_regex(r"\+[0-9]{3,18}", fullmatch=True))
def test_the_edges_pattern_lets_through_just_the_allowed_beginnings(number: str) -> None:
    (values,) = outbound.template_values(config(replace(PLAIN, dials=("+44", "+1202"))), {})
    allowed = number.startswith(("+44", "+1202")) and len(number.lstrip("+")) > (2 if number.startswith("+44") else 4)
    assert bool(re.search(values["dials"], number)) is allowed


# Bad settings


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"trunk": "nowhere"}, "trunk"),
        ({"host": 'x"; exec'}, "host"),
        ({"certificate_name": "a b"}, "certificate_name"),
        ({"port": 0}, "port"),
        ({"user": "a b", "password_file": "/x"}, "user"),
        ({"user": "quietline"}, "password_file"),
        ({"password_file": "/x"}, "password_file"),
        ({"register": True}, "register"),
        ({"register_seconds": 5}, "register_seconds"),
        ({"shows": ("02079460101",)}, "shows"),
        ({"dials": ("44",)}, "dials"),
        ({"identity": "pai"}, "identity"),
        ({"identity": "asserted"}, "identity"),
        ({"withhold": True}, "withhold"),
        ({"max_calls": 0}, "max_calls"),
        ({"ring_seconds": 1.0}, "ring_seconds"),
    ],
)
def test_a_mistake_is_named_by_its_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=f"^{key}: "):
        carriers.check(config(PLAIN), replace(PLAIN, **changes))


def test_a_carrier_with_no_number_to_show_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"^shows: "):
        carriers.check(replace(config(PLAIN), stores=()), PLAIN)


def test_the_file_says_line_and_key() -> None:
    text = (
        '[[trunk]]\nname = "a"\naddresses = ["198.51.100.7"]\n[[carrier]]\ntrunk = "a"\nhost = "h.example"\nport = 0\n'
    )
    with pytest.raises(ConfigError, match=r"line 7: \[carrier\] port"):
        parse(text)
    twice = text.replace("port = 0\n", 'shows = ["+442079460101"]\n')
    assert parse(twice).carriers[0].host == "h.example"
    with pytest.raises(ConfigError, match="one for each trunk"):
        parse(twice + twice.partition("addresses")[2].partition("]\n")[2])


# The password


def secret(folder: Path, text: str, mode: int = 0o400) -> Carrier:
    path = folder / "password"
    path.write_text(text)
    path.chmod(mode)
    return replace(SIGNED, password_file=str(path))


def test_the_password_is_one_line_of_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    assert outbound.passwords([secret(tmp_path, "a secret\n")]) == {"carrier-a": "a secret"}
    assert outbound.passwords([PLAIN]) == {}


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [("a", 0o440, "chmod 0400"), ("a", 0o404, "chmod 0400"), ("", 0o400, "one line"), ("a\nb", 0o400, "one line")],
)
def test_a_password_file_that_will_not_do(tmp_path: Path, text: str, mode: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        outbound.passwords([secret(tmp_path, text, mode)])
    assert "a secret" not in str(caught.value)


def test_a_password_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        outbound.passwords([replace(SIGNED, password_file=str(tmp_path / "none"))])


# The edge


def test_without_carriers_the_edge_is_told_nothing_of_calls_out() -> None:
    files = render_edge(config(), KEY)
    assert set(files) == {"kamailio.cfg", "tls.cfg", "dispatcher.list"}
    assert "uac.so" not in files["kamailio.cfg"]
    assert "CALL_OUT" not in files["kamailio.cfg"]


PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64)


@given(PRINTABLE)
def test_no_password_breaks_out_of_its_place(password: str) -> None:
    bare = render_edge(config(SIGNED), KEY, passwords={"carrier-a": "x"})["kamailio.cfg"]
    text = render_edge(config(SIGNED), KEY, passwords={"carrier-a": password})["kamailio.cfg"]
    assert text == bare.replace(f'"{b"x".hex()}"', f'"{password.encode().hex()}"')


@given(PRINTABLE)
def test_a_registration_keeps_its_columns(password: str) -> None:
    head, row, end = outbound.registrations(config(SIGNED), {"carrier-a": password}).split("\n")
    columns = re.split(r"(?<!\\)(?:\\\\)*:", re.sub(r"\\\\", "", row))
    assert len(columns) == len(head.split(" "))
    assert end == ""


def test_a_carrier_by_address_is_named_by_it_or_by_its_certificate_name() -> None:
    by_address = replace(PLAIN, host="198.51.100.7")
    assert "tls_peer_san_ip" in render_edge(config(by_address), KEY)["kamailio.cfg"]
    named = replace(by_address, certificate_name="sip.carrier-a.example")
    assert "tls_peer_san_ip" not in render_edge(config(named), KEY)["kamailio.cfg"]
    (six,) = outbound.template_values(config(replace(PLAIN, host="2001:db8::7")), {})
    assert six["next_hop"] == "sip:[2001:db8::7]:5061;transport=tls"


def test_a_missing_authority_is_said_by_its_key(tmp_path: Path) -> None:
    from quietline.telephony.edge import write_edge

    settings = config(replace(PLAIN, ca=str(tmp_path / "none.pem")))
    paths = replace(settings.paths, state=tmp_path, run=tmp_path, log=tmp_path)
    with pytest.raises(ConfigError, match=r"carrier\.ca"):
        write_edge(replace(settings, paths=paths, users=replace(settings.users, edge="", vault="")), KEY)


# docs/howto/call-back.md


def test_the_how_tos_flow_is_right(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "howto" / "call-back.md").read_text()
    (block,) = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    path = tmp_path / "chain.yaml"
    path.write_text(block)
    chain = chain_reading.load(path).chain
    assert (chain.queue("orders").callback.tries, chain.queue("orders").callback.pause) == (3, 300)
