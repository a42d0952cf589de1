"""The ng client against a relay that answers late, twice, wrongly or not at all; and the keypad events."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest

from quietline.errors import RelayUnavailable
from quietline.telephony.bencode import Value, encode
from quietline.telephony.ng import DigitListener, Digits, NgClient, RelayRefused, read_digit

TRIES = (0.05, 0.05, 0.05)


class FarSide(asyncio.DatagramProtocol):
    """Answers each datagram with what `reply` makes of it; None: silence."""

    def __init__(self, reply: Any) -> None:
        self.reply, self.heard = reply, []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append(data)
        for answer in self.reply(len(self.heard), data.split(b" ", 1)[0]):
            self.transport.sendto(answer, addr)


async def asked(reply: Any, **fields: Value) -> tuple[Any, FarSide]:
    """What a command brings, the error included, and the far side."""
    loop = asyncio.get_running_loop()
    transport, far = await loop.create_datagram_endpoint(lambda: FarSide(reply), local_addr=("127.0.0.1", 0))
    client = await NgClient.connect(transport.get_extra_info("sockname")[1], TRIES)
    try:
        return await client.command("ping", **fields), far
    except RelayUnavailable as error:
        return error, far
    finally:
        client.close()
        transport.close()


OK = encode({"result": "ok", "x": 1})


async def test_a_command_and_its_answer() -> None:
    answer, far = await asked(lambda n, cookie: [cookie + b" " + OK], call_id="c", from_tag="A")
    assert answer["x"] == 1
    assert far.heard[0].endswith(encode({"command": "ping", "call-id": "c", "from-tag": "A"}))


async def told(body: bytes) -> RelayUnavailable | None:
    """What `tell` raises for an answer, None for nothing."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: FarSide(lambda n, cookie: [cookie + b" " + body]), local_addr=("127.0.0.1", 0)
    )
    client = await NgClient.connect(transport.get_extra_info("sockname")[1], TRIES)
    try:
        await client.tell("delete", call_id="c")
    except RelayUnavailable as error:
        return error
    finally:
        client.close()
        transport.close()
    return None


@pytest.mark.parametrize("answer", [{"x": {"y": 1}, "result": "ok"}, {"result": "ok", "x": 1}, {"result": "pong"}])
async def test_a_command_is_accepted_wherever_the_result_stands(answer: dict[str, Value]) -> None:
    assert await told(encode(answer)) is None


@pytest.mark.parametrize("reason", ["Unknown call-id", "6:result2:ok"])
async def test_a_refusal_is_told_whatever_it_says(reason: str) -> None:
    assert isinstance(await told(encode({"error-reason": reason, "result": "error"})), RelayRefused)
    assert isinstance(await told(b"no sense"), RelayUnavailable)


async def test_a_lost_answer_is_asked_for_again_under_the_same_cookie() -> None:
    answer, far = await asked(lambda n, cookie: [cookie + b" " + OK] if n == 3 else [])
    assert answer["result"] == "ok"
    assert len(far.heard) == 3
    assert len(set(far.heard)) == 1


async def test_silence_over_all_tries_is_unavailable() -> None:
    error, far = await asked(lambda n, cookie: [])
    assert isinstance(error, RelayUnavailable)
    assert "unanswered" in str(error)
    assert len(far.heard) == 3


async def test_answers_to_other_cookies_and_doubles_are_ignored() -> None:
    answer, _ = await asked(lambda n, cookie: [b"other " + OK, b"", cookie + b" " + OK, cookie + b" " + OK])
    assert answer["result"] == "ok"


@pytest.mark.parametrize("body", [b"", b"d", b"i1e", b"le", b"\xff\x00"])
async def test_an_answer_without_sense_is_unavailable(body: bytes) -> None:
    error, _ = await asked(lambda n, cookie: [cookie + b" " + body])
    assert isinstance(error, RelayUnavailable)


@pytest.mark.parametrize(
    ("reason", "shown"), [("Unknown call-id", "Unknown call-id"), ("bad 192.0.2.1 key", "no reason"), ("", "no reason")]
)
async def test_a_refusal_shows_rtpengines_sentence_and_nothing_that_could_be_personal(reason: str, shown: str) -> None:
    error, _ = await asked(lambda n, cookie: [cookie + b" " + encode({"result": "error", "error-reason": reason})])
    assert isinstance(error, RelayRefused)
    assert error.reason == shown
    assert str(error) == f"relay: rtpengine refused ping: {shown}"


async def test_nobody_there_and_a_closed_client_are_unavailable() -> None:
    client = await NgClient.connect(9, TRIES)
    with pytest.raises(RelayUnavailable, match="unanswered"):
        await client.command("ping")
    client.close()
    with pytest.raises(RelayUnavailable, match="closed"):
        await client.command("ping")


GOOD: dict[str, Any] = {"callid": "ql-1", "source_tag": "C", "event": 11, "duration": 100}


@pytest.mark.parametrize(("event", "key"), list(enumerate("0123456789*#ABCD")))
def test_the_sixteen_events_are_keys(event: int, key: str) -> None:
    assert read_digit(json.dumps(GOOD | {"event": event}).encode()) == ("ql-1", "C", key)


@pytest.mark.parametrize("change", [{"event": 16}, {"event": -1}, {"event": True}, {"event": 1.0}, {"callid": None}])
def test_other_events_are_none(change: dict[str, Any]) -> None:
    assert read_digit(json.dumps(GOOD | change).encode()) is None


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b"\xff", b"1e999", b"[" * 5_000, b'"callid"'])
def test_datagrams_without_sense_are_none(data: bytes) -> None:
    assert read_digit(data) is None


def press(listener: DigitListener, keys: str, source: str = "127.0.0.1", **change: Any) -> None:
    for key in keys:
        event = GOOD | {"event": "0123456789*#ABCD".index(key)} | change
        listener.datagram_received(json.dumps(event).encode(), (source, 5))


async def test_digits_are_those_of_the_leg_from_now_on() -> None:
    listener = DigitListener()
    press(listener, "1")
    digits = Digits(listener, "ql-1", "C")
    press(listener, "2")
    press(listener, "3", source_tag="A1")
    press(listener, "4", callid="ql-2")
    press(listener, "5", source="192.0.2.1")
    press(listener, "#")
    assert [await anext(digits), await anext(digits)] == ["2", "#"]
    assert listener.ignored == 1


async def test_two_readers_each_hear_every_key() -> None:
    listener = DigitListener()
    one, two = Digits(listener, "ql-1", "C"), Digits(listener, "ql-1", "C")
    press(listener, "7")
    assert await anext(one) == await anext(two) == "7"
    one.close()
    press(listener, "8")
    assert await anext(two) == "8"


async def test_closing_ends_the_reading_after_what_was_keyed() -> None:
    listener = DigitListener()
    digits = Digits(listener, "ql-1", "C")
    press(listener, "12")
    digits.close()
    digits.close()
    press(listener, "3")
    assert [key async for key in digits] == ["1", "2"]
    assert [key async for key in digits] == []


async def test_at_most_64_keys_wait() -> None:
    listener = DigitListener()
    digits = Digits(listener, "ql-1", "C")
    press(listener, "0" * 100)
    digits.close()
    assert len([key async for key in digits]) == 64


async def test_a_reader_that_nobody_holds_any_more_is_forgotten() -> None:
    listener = DigitListener()
    digits = Digits(listener, "ql-1", "C")
    assert listener._listeners
    del digits
    gc.collect()
    press(listener, "1")
    assert not listener._listeners
