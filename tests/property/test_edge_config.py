"""Whatever stands in the configuration, the generated text keeps its shape or ConfigError is raised."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from quietline.config import Config, Edge, Trunk
from quietline.errors import ConfigError
from quietline.telephony.edge import render_edge

KEY = bytes(range(32))
# What could break out of a string, a comment or a line of Kamailio's configuration
sharp = st.text(alphabet=st.sampled_from('ab1.-_:/"\\\n\r;{}()$#!*= \x00é'), max_size=24)
hosts = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
specific = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).filter(lambda address: not address.is_unspecified)
addresses = specific.map(str)
names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True)
trunks = st.builds(
    Trunk,
    name=names,
    addresses=st.lists(addresses, min_size=1, max_size=3).map(tuple),
    certificate_name=st.one_of(st.just(""), hosts),
    digest_user=st.one_of(st.just(""), names),
    cleartext=st.booleans(),
    dialled_from=st.sampled_from(["request-uri", "to", "diversion"]),
    max_calls=st.integers(1, 10_000),
    invites_per_second=st.integers(1, 10_000),
)
edges = st.builds(
    Edge,
    realm=hosts,
    addresses=st.lists(addresses, min_size=1, max_size=3, unique=True).map(tuple),
    advertised=st.one_of(st.just(""), addresses),
    cleartext_port=st.just(5060),
)


def balanced(text: str) -> bool:
    """Every quote closed on its line, every brace at the end; left out are strings, comments and our fixed regexes."""
    kept = [line for line in text.splitlines() if "re.subst" not in line]
    lines = [re.sub(r'"(?:[^"\\]|\\.)*"', "", line) for line in kept]
    code = "\n".join(line.split("#")[0] for line in lines)
    return '"' not in code and code.count("{") == code.count("}") and code.count("(") == code.count(")")


@given(edges, st.lists(trunks, max_size=3, unique_by=lambda trunk: trunk.name).map(tuple))
def test_a_good_configuration_gives_whole_text(edge: Edge, found: tuple[Trunk, ...]) -> None:
    text = render_edge(replace(Config(), edge=edge, trunks=found), KEY)["kamailio.cfg"]
    assert balanced(text)
    assert text.count("\nlisten=udp:127.0.0.1:5090\n") == 1
    assert text.count("route[SIGN] {") == 1
    assert ("\nlisten=udp:" in text.replace("listen=udp:127.0.0.1:5090", "")) == any(t.cleartext for t in found)


@given(sharp, sharp, sharp, sharp, st.sampled_from(["realm", "origin", "name", "certificate_name", "digest_user"]))
def test_nothing_breaks_out_of_its_place(a: str, b: str, c: str, d: str, where: str) -> None:
    nasty = a + b + c + d
    edge, trunk = Edge(), Trunk("t", addresses=("192.0.2.1",))
    if where == "realm":
        edge = replace(edge, realm=nasty)
    elif where == "origin":
        edge = replace(edge, origins=(nasty,))
    else:
        trunk = replace(trunk, **{where: nasty})
    try:
        text = render_edge(replace(Config(), edge=edge, trunks=(trunk,)), KEY)["kamailio.cfg"]
    except ConfigError:
        return
    assert balanced(text)
    assert text.count("\nlisten=") == 4
