"""How the relay is started, and who is believed about addresses."""

from __future__ import annotations

from typing import Any

import pytest

from quietline.config import Relay
from quietline.telephony.media_state import relay_id
from quietline.telephony.ng import DigitListener, NgClient
from quietline.telephony.prompts import Prompts
from quietline.telephony.rtpengine import RtpengineRelay, command_line, interfaces, side
from quietline.telephony.sdp import Audio, UnacceptableOffer


def made(*addresses: str) -> RtpengineRelay:
    return RtpengineRelay(Relay(interfaces=addresses), Prompts({}), NgClient(), DigitListener())


def test_the_command_line_is_the_configurations_and_holds_no_secret() -> None:
    relay = Relay(interfaces=("192.0.2.1!203.0.113.9",), ng_port=1, digits_port=2, port_min=3, port_max=4, threads=5)
    line = command_line(relay, "/usr/bin/rtpengine")
    assert line[0] == "/usr/bin/rtpengine"
    for wanted in (
        "--foreground", "--interface=world/192.0.2.1!203.0.113.9", "--interface=inside/127.0.0.1", "--table=-1",
        "--listen-ng=127.0.0.1:1", "--dtmf-log-dest=127.0.0.1:2", "--port-min=3", "--port-max=4", "--num-threads=5",
        "--log-level=3",
    ):  # fmt: skip
        assert wanted in line
    assert not any("listen-cli" in part or "listen-http" in part or "recording" in part for part in line)


def test_sides_are_their_own_where_named_and_common_where_not() -> None:
    common, apart = Relay(interfaces=("192.0.2.1", "2001:db8::1")), Relay(interfaces=("trunk/192.0.2.1", "agents/::1"))
    assert interfaces(common) == ["world/192.0.2.1", "world/2001:db8::1", "inside/127.0.0.1"]
    assert (side(common, "trunk"), side(common, "agents")) == ("world", "world")
    assert (side(apart, "trunk"), side(apart, "agents")) == ("trunk", "agents")


@pytest.mark.parametrize(
    ("addresses", "family"),
    [
        (("192.0.2.1", "::1"), "IP4"),
        (("2001:db8::1", "192.0.2.1"), "IP6"),
        (("192.0.2.1", "agents/2001:db8::1"), "IP6"),
    ],
)
async def test_agents_are_offered_the_family_of_their_first_address(addresses: tuple[str, ...], family: str) -> None:
    assert made(*addresses).agent_family == family


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1"])
async def test_loopback_is_believed_only_where_the_relay_serves_it(host: str) -> None:
    audio = Audio(host, 22_222, "RTP/AVP", ())
    assert made("127.0.0.1").admit(audio) == audio
    with pytest.raises(UnacceptableOffer, match="loopback"):
        made("192.0.2.1!127.0.0.1").admit(audio)
    assert made("192.0.2.1").admit(Audio("198.51.100.1", 9, "RTP/AVP", ()))


def test_the_relays_id_is_short_steady_and_shows_nothing_of_ours() -> None:
    call = "leg_+442079460123"
    assert relay_id(call) == relay_id(call) != relay_id(call + "4")
    assert len(relay_id(call)) == 23
    assert "2079460123" not in relay_id(call)


async def test_a_saved_record_is_plain_and_prints_no_key() -> None:
    media = made("127.0.0.1").media_for("c1")
    saved: dict[str, Any] = media.save()
    assert saved["call"] == "c1"
    assert all(isinstance(value, str | int | dict) for value in saved.values())
    assert "inline" not in repr(media)
