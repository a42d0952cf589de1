"""Ports that two runs beside each other never share."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from quietline.testing import ports
from quietline.testing.ports import BLOCK, FIRST, LAST, Block, NoPorts, free_ports


@pytest.fixture
def block() -> Iterator[Block]:
    block = Block()
    yield block
    block.release()


def test_each_is_another_one_and_inside_the_block(block: Block) -> None:
    found = block.take(20) + block.take(20)
    assert len(set(found)) == 40
    assert all(block.first < port < block.first + BLOCK for port in found)
    assert FIRST <= min(found) <= max(found) <= LAST


def test_two_blocks_never_meet(block: Block) -> None:
    other = Block()
    try:
        assert abs(other.first - block.first) >= BLOCK
    finally:
        other.release()


def test_another_process_gets_another_block() -> None:
    ours = free_ports(1)[0]
    code = "from quietline.testing.ports import free_ports; print(free_ports(1)[0])"
    theirs = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    assert (ours - FIRST) // BLOCK != (theirs - FIRST) // BLOCK


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_that_somebody_has_is_passed_over(block: Block, kind: socket.SocketKind) -> None:
    with socket.socket(type=kind) as taken:
        taken.bind(("127.0.0.1", block.first + 1))
        assert block.first + 1 not in block.take(1)


def test_none_is_handed_out_again_before_all_were(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_is_free", lambda port: True)
    assert len(set(block.take(BLOCK - 1))) == BLOCK - 1
    assert block.take(1) == [block.first + 1]


def test_more_than_there_are_is_said(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_is_free", lambda port: port != block.first + 7)
    with pytest.raises(NoPorts, match=r"250 ports wanted .* 248 free"):
        block.take(BLOCK)


def test_a_released_block_may_be_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    block = Block()
    monkeypatch.setattr(ports, "BLOCKS", range(block.first, block.first + 1, BLOCK))
    with pytest.raises(NoPorts, match="are held by other processes"):
        Block()
    block.release()
    again = Block()
    assert again.first == block.first
    again.release()
