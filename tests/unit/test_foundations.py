"""Sealed values, leg tickets, frames: what everything else stands on."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import pickle
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quietline import errors
from quietline.legs import parse_leg, verify_leg
from quietline.sealed import DOTS, SIGNALLING, Sealed, Ticket
from quietline.wire import MAX_FRAME, Frame, Peer, WireClient, WireServer, encode, from_error, to_error

NUMBER = "+442079460123"
KEY = b"k" * 32


def signed(text: str, key: bytes = KEY) -> str:
    return f"{text};mac={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"


CALLER = (
    "v1;kind=caller;at=1732440000;trunk=carrier-a;grade=tls-srtp;"
    "caller=%2B442079460123;privacy=0;dialled=%2B44;ci=a%40b;ft=t"
)


class TestSealed:
    @pytest.mark.parametrize("show", [str, repr, "{}".format, "{:>20}".format, lambda value: f"{value!r}"])
    def test_it_prints_as_dots(self, show: object) -> None:
        assert show(Sealed(NUMBER)) == DOTS  # type: ignore[operator]

    def test_it_opens_with_a_ticket_only(self) -> None:
        assert Sealed(NUMBER).open(Ticket("ag_1", "order_status", 7)) == NUMBER
        with pytest.raises(TypeError):
            Sealed(NUMBER).open("please")  # type: ignore[arg-type]

    @pytest.mark.parametrize("leak", [pickle.dumps, json.dumps, hash])
    def test_it_does_not_travel_by_accident(self, leak: object) -> None:
        with pytest.raises(TypeError):
            leak(Sealed(NUMBER))  # type: ignore[operator]

    def test_no_attribute_is_the_value(self) -> None:
        assert not hasattr(Sealed(NUMBER), "value")
        assert not hasattr(Sealed(NUMBER), "__dict__")


class TestLegTicket:
    def test_a_signed_ticket_is_read(self) -> None:
        ticket = verify_leg(signed(CALLER), KEY)
        assert (ticket.kind, ticket.trunk, ticket.grade, ticket.call_id) == ("caller", "carrier-a", "tls-srtp", "a@b")
        assert ticket.caller.open(Ticket("test", "test", SIGNALLING)) == NUMBER
        assert NUMBER not in repr(ticket)

    def test_another_key_is_refused(self) -> None:
        with pytest.raises(errors.ProtocolError, match="did not sign"):
            verify_leg(signed(CALLER, b"x" * 32), KEY)

    def test_any_change_is_refused(self) -> None:
        header = signed(CALLER)
        for index in range(len(header)):
            changed = header[:index] + chr(ord(header[index]) ^ 1) + header[index + 1 :]
            with pytest.raises(errors.ProtocolError):
                verify_leg(changed, KEY)

    @pytest.mark.parametrize(
        "header",
        ["", "v2;kind=caller", "v1;kind=caller", "v1;;;=;mac=" + "0" * 64, signed("v1;kind=boss;at=1"), "x" * 9000],
    )
    def test_nonsense_is_a_protocol_error(self, header: str) -> None:
        with pytest.raises(errors.ProtocolError):
            parse_leg(header)


class TestWire:
    @pytest.fixture
    async def server(self, tmp_path: Path) -> AsyncIterator[Path]:
        async def handle(peer: Peer, frame: Frame) -> Frame:
            if frame["op"] == "refuse":
                raise errors.Denied("assurance-too-low", "verify the caller first")
            if frame["op"] == "slow":
                await asyncio.sleep(5)
            return {"uid": peer.uid, "echo": frame.get("text")}

        async def subscribe(peer: Peer, frame: Frame) -> AsyncIterator[Frame]:
            for number in range(3):
                yield {"event": "tick", "number": number}

        path = tmp_path / "s.sock"
        server = WireServer(path, handle, subscribe)
        await server.start()
        yield path
        await server.stop()

    async def test_many_requests_share_a_connection(self, server: Path) -> None:
        client = WireClient(server)
        answers = await asyncio.gather(*(client.call("say", text=str(number)) for number in range(50)))
        assert [answer["echo"] for answer in answers] == [str(number) for number in range(50)]
        await client.close()

    async def test_errors_arrive_as_they_were_raised(self, server: Path) -> None:
        client = WireClient(server)
        with pytest.raises(errors.Denied) as caught:
            await client.call("refuse")
        assert (caught.value.reason, caught.value.advice) == ("assurance-too-low", "verify the caller first")
        await client.close()

    async def test_no_answer_is_unavailable(self, server: Path) -> None:
        client = WireClient(server, timeout=0.05, unavailable=errors.VaultLocked)
        with pytest.raises(errors.VaultLocked):
            await client.call("slow")
        await client.close()

    async def test_a_cancellation_that_meets_the_answer_is_not_lost(self, server: Path) -> None:
        client = WireClient(server)
        await client.call("say")
        asking = asyncio.create_task(client.call("slow"))
        while not client._waiting:
            await asyncio.sleep(0)
        for waiting in client._waiting.values():
            waiting.set_result({"ok": {}})
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await client.close()

    async def test_events_stream(self, server: Path) -> None:
        events = WireClient(server).events()
        assert [(await anext(events))["number"] for _ in range(3)] == [0, 1, 2]
        await events.aclose()  # type: ignore[attr-defined]

    async def test_nobody_there_is_unavailable(self, tmp_path: Path) -> None:
        with pytest.raises(errors.Unavailable, match="cannot connect"):
            await WireClient(tmp_path / "none.sock").call("say")

    async def test_a_full_queue_of_connections_is_waited_for(self, tmp_path: Path) -> None:
        """connect(2) on a Unix socket answers EAGAIN then, and must not be taken for connected."""
        with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
            busy.bind(str(tmp_path / "busy.sock"))
            busy.listen(0)
            first.connect(str(tmp_path / "busy.sock"))
            asking = asyncio.create_task(WireClient(tmp_path / "busy.sock", timeout=30).call("say"))
            await asyncio.sleep(0.05)
            busy.accept()[0].close()
            answering, _ = await asyncio.to_thread(busy.accept)
            assert b'"op":"say"' in await asyncio.to_thread(answering.recv, 100)  # the client lives on this loop
            answering.sendall(encode({"id": 1, "ok": {"said": True}}))
            assert await asking == {"said": True}
            answering.close()

    async def test_a_queue_that_stays_full_is_unavailable(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
            busy.bind(str(tmp_path / "busy.sock"))
            busy.listen(0)
            first.connect(str(tmp_path / "busy.sock"))
            with pytest.raises(errors.Unavailable, match="cannot connect"):
                await WireClient(tmp_path / "busy.sock", timeout=0.05).call("say")

    @pytest.mark.parametrize(
        "junk", [b"\xff\xff\xff\xff", struct.pack("!I", 3) + b"abc", struct.pack("!I", 2) + b"[]", b"\0"]
    )
    async def test_junk_ends_that_connection_only(self, server: Path, junk: bytes) -> None:
        reader, writer = await asyncio.open_unix_connection(str(server))
        writer.write(junk)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        client = WireClient(server)
        assert (await client.call("say", text="still here"))["echo"] == "still here"
        await client.close()

    async def test_a_client_reconnects(self, server: Path) -> None:
        client = WireClient(server)
        await client.call("say")
        assert client._writer
        client._writer.close()
        await asyncio.sleep(0.01)
        assert (await client.call("say", text="again"))["echo"] == "again"
        await client.close()

    def test_a_frame_has_a_limit(self) -> None:
        with pytest.raises(errors.ProtocolError):
            encode({"text": "x" * MAX_FRAME})

    @pytest.mark.parametrize(
        "error",
        [
            errors.VaultLocked("x"),
            errors.LedgerUnavailable("x"),
            errors.TamperError("x"),
            errors.NotSignedIn("expired"),
            errors.Denied("d"),
        ],
    )
    def test_every_error_makes_the_round_trip(self, error: errors.QuietlineError) -> None:
        assert type(from_error(to_error(error))) is type(error)

    def test_an_error_of_a_parts_own_travels_as_its_nearest_parent(self) -> None:
        class KeyGoneError(errors.TamperError):
            """As a part may have."""

        class RingBusyError(errors.EdgeUnavailable):
            """Its parent has a parent that travels too."""

        assert type(from_error(to_error(KeyGoneError("x")))) is errors.TamperError
        assert type(from_error(to_error(RingBusyError("x")))) is errors.EdgeUnavailable
        assert type(from_error(to_error(errors.QuietlineError("x")))) is errors.Unavailable
