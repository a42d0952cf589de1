"""SDP for the simulated phones (RFC 8866, RFC 3264): one audio stream, G.711, telephone-event, SDES or plain."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from quietline.errors import ProtocolError
from quietline.testing.rtp import Remote
from quietline.testing.srtp import AES_CM, Crypto

CODECS = {"PCMU": 0, "PCMA": 8}


@dataclass(frozen=True, slots=True)
class MediaTaste:
    """What a phone offers. `profile` RTP/AVP with `suites` empty is plain RTP."""

    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    event_type: int | None = 101  # RFC 4733 payload type; None: the phone has no telephone-event
    profile: str = "RTP/SAVP"
    suites: tuple[str, ...] = (AES_CM,)
    user: str = "-"  # the user name of o=; canaries are planted here
    session: str = "-"  # s=

    def keys(self) -> list[Crypto]:
        """A fresh key for each suite."""
        return [Crypto.fresh(suite) for suite in self.suites]

    def answering(self, offer: Audio) -> MediaTaste:
        """The answer's shape (RFC 3264 §6.1): the offer's profile, its G.711 in its order, its telephone-event number.

        Raises ProtocolError when there is no common codec.
        """
        codecs = tuple(name for number in offer.payload_types for name in self.codecs if CODECS[name] == number)
        if not codecs:
            raise ProtocolError("sdp: no common codec")
        event_type = offer.event_type if self.event_type is not None else None
        return replace(self, codecs=codecs, event_type=event_type, profile=offer.profile)


PLAIN = MediaTaste(profile="RTP/AVP", suites=())


@dataclass(frozen=True, slots=True)
class Audio:
    """The other side's audio stream, as its SDP describes it."""

    host: str
    port: int
    profile: str
    payload_types: tuple[int, ...]
    event_type: int | None
    cryptos: dict[int, Crypto] = field(repr=False)  # by tag
    direction: str = "sendrecv"
    rtcp_mux: bool = False
    rtcp_port: int = 0

    def remote(self) -> Remote:
        """Where to send G.711. Raises ProtocolError when the stream is refused or has neither PCMU nor PCMA."""
        codec = next((number for number in self.payload_types if number in CODECS.values()), None)
        if not self.port or codec is None:
            raise ProtocolError("sdp: the audio stream is refused, or has neither PCMU nor PCMA")
        return Remote(self.host, self.port, codec, self.event_type, self.rtcp_mux, self.rtcp_port)


def read_audio(sdp: str) -> Audio:
    """The first audio stream. Raises ProtocolError when there is none."""
    lines = [(line[0], line[2:]) for line in sdp.splitlines() if line[1:2] == "="]
    start = next((n for n, (kind, value) in enumerate(lines) if kind == "m" and value.startswith("audio ")), None)
    if start is None:
        raise ProtocolError("sdp: no audio stream")
    end = next((n for n in range(start + 1, len(lines)) if lines[n][0] == "m"), len(lines))
    connections = [value for kind, value in lines[:end] if kind == "c"]
    attributes = [value for kind, value in lines[start:end] if kind == "a"]
    _, port, profile, *formats = lines[start][1].split()
    return Audio(
        host=connections[-1].split()[-1] if connections else "",
        port=int(port),
        profile=profile,
        payload_types=tuple(int(number) for number in formats),
        event_type=_event_type(attributes),
        cryptos=_cryptos(attributes),
        direction=next((a for a in attributes if a in ("sendonly", "recvonly", "inactive", "sendrecv")), "sendrecv"),
        rtcp_mux="rtcp-mux" in attributes,
        rtcp_port=next((int(a.split()[0][5:]) for a in attributes if a.startswith("rtcp:")), 0),
    )


def _event_type(attributes: Sequence[str]) -> int | None:
    maps = [a.removeprefix("rtpmap:") for a in attributes if a.startswith("rtpmap:")]
    return next((int(m.split()[0]) for m in maps if m.lower().endswith("telephone-event/8000")), None)


def _cryptos(attributes: Sequence[str]) -> dict[int, Crypto]:
    """The suites we have; others are passed over."""
    found = {}
    for attribute in attributes:
        if attribute.startswith("crypto:"):
            try:
                tag, crypto = Crypto.from_attribute(attribute.removeprefix("crypto:"))
            except ProtocolError:
                continue  # a suite the phone lacks: it takes another, or refuses the call
            found[tag] = crypto
    return found


def write_audio(
    taste: MediaTaste, host: str, port: int, cryptos: dict[int, Crypto], direction: str = "sendrecv"
) -> str:
    """An offer or answer with one audio stream; `cryptos` are our keys by tag."""
    family = "IP6" if ":" in host else "IP4"
    formats = [str(CODECS[name]) for name in taste.codecs]
    maps = [f"a=rtpmap:{CODECS[name]} {name}/8000" for name in taste.codecs]
    if taste.event_type is not None:
        formats.append(str(taste.event_type))
        maps += [f"a=rtpmap:{taste.event_type} telephone-event/8000", f"a=fmtp:{taste.event_type} 0-16"]
    lines = [
        "v=0",
        f"o={taste.user} {secrets.randbits(31)} 1 IN {family} {host}",
        f"s={taste.session}",
        f"c=IN {family} {host}",
        "t=0 0",
        f"m=audio {port} {taste.profile} {' '.join(formats)}",
        *maps,
        *(crypto.attribute(tag) for tag, crypto in cryptos.items()),
        "a=ptime:20",
        f"a={direction}",
    ]
    return "\r\n".join(lines) + "\r\n"
