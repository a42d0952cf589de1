"""What `run` asks before it touches anything: one at a time, and free ports."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from quietline.config import Config
from quietline.errors import ConfigError
from quietline.preflight import claim, ports, require_ports
from quietline.testing.site import sample_config


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return sample_config(tmp_path, own_users=False)


def test_the_second_claim_is_refused_until_the_first_is_let_go(config: Config) -> None:
    first = claim(config)
    with pytest.raises(ConfigError, match=r"it runs already on .*quietline down"):
        claim(config)
    os.close(first)
    os.close(claim(config))


def test_a_child_does_not_inherit_the_claim(config: Config) -> None:
    held = claim(config)
    assert fcntl.fcntl(held, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    os.close(held)


def test_every_port_of_the_configuration_is_asked_for(config: Config) -> None:
    asked = {port.key: port for port in ports(config)}
    assert len(asked) == 9
    assert asked["[relay] ng_port"].number == config.relay.ng_port
    no_cleartext = replace(config, edge=replace(config.edge, cleartext_port=0))
    assert "[edge] cleartext_port" not in {port.key for port in ports(no_cleartext)}


def test_free_ports_are_no_trouble(config: Config) -> None:
    require_ports(config)


@pytest.mark.parametrize(
    ("section", "key", "kind"),
    [
        ("edge", "tls_port", socket.SOCK_STREAM),
        ("edge", "internal_port", socket.SOCK_DGRAM),
        ("controller", "sip_port", socket.SOCK_DGRAM),
        ("relay", "digits_port", socket.SOCK_DGRAM),
        ("web", "port", socket.SOCK_STREAM),
    ],
)
def test_a_taken_port_is_named(config: Config, section: str, key: str, kind: socket.SocketKind) -> None:
    number = getattr(getattr(config, section), key)
    with closing(socket.socket(type=kind)) as taken:
        taken.bind(("127.0.0.1", number))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        with pytest.raises(ConfigError, match=rf"\[{section}\] {key}: 127.0.0.1:{number}: another program"):
            require_ports(config, wait=0.0)


def test_a_port_that_is_let_go_meanwhile_is_waited_for(config: Config) -> None:
    taken = socket.socket(type=socket.SOCK_DGRAM)
    taken.bind(("127.0.0.1", config.relay.ng_port))
    timer = threading.Timer(0.2, taken.close)
    timer.start()
    require_ports(config, wait=10.0)
    timer.join()


def test_an_address_of_another_machine_is_said(config: Config) -> None:
    elsewhere = replace(config, web=replace(config.web, addresses=("192.0.2.1",)))
    with pytest.raises(ConfigError, match=r"\[web\] port: 192.0.2.1:\d+: this machine has no such address"):
        require_ports(elsewhere)
