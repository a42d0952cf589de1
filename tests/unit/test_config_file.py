"""The configuration file: what it takes, and what it says when it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quietline.config import Config, Controller, Paths
from quietline.config_file import dump, load, parse
from quietline.errors import ConfigError

GOOD = """
[edge]
realm = "calls.example.org"
addresses = ["127.0.0.1", "::1"]

[[trunk]]
name = "carrier-a"
addresses = ["192.0.2.0/24"]

[[store]]
id = "north"
name = "Northgate"
numbers = ["+442079460101"]

[[queue]]
id = "orders"
name = "Orders"
digit = "1"
skills = ["orders"]
"""


def test_an_empty_file_is_the_default() -> None:
    assert parse("") == Config()


def test_a_full_file_is_read_into_its_types() -> None:
    config = parse(GOOD)
    assert config.edge.addresses == ("127.0.0.1", "::1")
    assert config.trunks[0].addresses == ("192.0.2.0/24",)
    assert config.stores[0].numbers == ("+442079460101",)
    assert config.queues[0].skills == ("orders",)


BAD = [
    ("[edge]\nrelm = 'x'", "line 2: [edge] relm: unknown key; did you mean `realm`?"),
    ("[egde]\nrealm = 'x'", "line 1: [egde]: unknown section; did you mean `edge`?"),
    ("\n\n[edge]\nwss_port = 'x'", "line 4: [edge] wss_port: want a whole number, found a text"),
    ("[edge]\nwss_port = true", "want a whole number, found true or false"),
    ("[edge]\naddresses = ['nowhere']", "line 2: [edge] addresses: 'nowhere' is not an IPv4 or IPv6 address"),
    ("[edge]\naddresses = []", "name at least one address"),
    ("[edge]\naddresses = [1]", "want a list of texts"),
    ("[edge]\ntls_port = 70000", "a port is 1 to 65535"),
    ("[web]\nport = 5061", "port 5061 is taken by edge.tls_port"),
    ("[relay]\nport_min = 5\nport_max = 6", "want port_min < port_max"),
    ("[relay]\nng_port = 22222", "[relay] ng_port: lies in the relay's media range"),
    ("[edge]\ninternal_port = 20000", "[edge] internal_port: lies in the relay's media range"),
    ("[controller]\nsip_port = 32767", "[controller] sip_port: lies in the relay's media range"),
    ("[trunk]\nname = 'a'", "write it as [[trunk]], one for each"),
    ("[[trunk]]\nname = 'a'", "how is it known?"),
    ("[[trunk]]\nname = 'A b'\ndigest_user = 'x'", "want a unique name"),
    ("[[trunk]]\nname = 'a'\naddresses = ['x']", "'x' is no address or network"),
    ("[[trunk]]\nname = 'a'\ndigest_user = 'x'\ndialled_from = 'luck'", "want request-uri, to or diversion"),
    ("[[trunk]]\nname = 'a'\ndigest_user = 'x'\ncleartext = true", "needs [edge] cleartext_port"),
    ("[[queue]]\nid = 'q'\nname = 'Q'", "line 1: [queue]: `digit` is missing; add it"),
    ("[[queue]]\nid='q'\nname='Q'\ndigit='1'\n[[queue]]\nid='r'\nname='R'\ndigit='1'", "line 8: [queue] digit: want"),
    ("[[store]]\nid='a'\nname='A'\nnumbers=['0207']", "'0207' is not E.164"),
    ("[[store]]\nid='a'\nname='A'\nnumbers=['+442079460101']\n[[store]]\nid='b'\nname='B'\nnumbers=['+442079460101']",
     "line 8: [store] numbers: also the number of a"),
    ("[vault]\nargon2_memory_kib = 19455", "line 2: [vault] argon2_memory_kib: want at least 19456 (OWASP)"),
    ("[vault]\nargon2_passes = 1", "line 2: [vault] argon2_passes: want at least 2 (OWASP)"),
    ("[vault]\ncallback_tries = 0", "[vault] callback_tries: want more than 0"),
    ("[vault]\ncallback_seconds = 0.0", "[vault] callback_seconds: want more than 0"),
    ("[vault]\nlast_agent_seconds = -1.0", "[vault] last_agent_seconds: want 0 (nothing is kept) or more"),
    ("edge = 3", "write it as a table"),
    ("[edge\n", "this is not TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BAD)
def test_an_error_names_line_key_and_fix(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "chain.toml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("chain.toml")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_a_file_that_is_not_text_is_said(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(path)


def test_what_is_dumped_reads_back_equal() -> None:
    config = parse(GOOD)
    changed = replace(
        config,
        paths=Paths(state=Path('/srv/a "b" \\ c')),
        controller=Controller(notice=False, ring_seconds=2.5),
        edge=replace(config.edge, tls_port=15061),
    )
    assert parse(dump(changed)) == changed
    assert dump(Config()) == ""
