"""SDP (RFC 8866), read with limits and rebuilt from an allow-list, so that nothing identifying can travel. Pure.

What a peer wrote is never passed on: `read` takes from it what media needs, each part checked against its grammar, and
`render` writes a new description from that alone. Names, tools, e-mail addresses, SSRC lines, host names and unknown
attributes have nowhere to go. Errors name no value of the description, for it holds addresses and keys.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import itertools
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from quietline.errors import QuietlineError


class UnacceptableOffer(QuietlineError):
    """A description we cannot or will not serve. Answer with `code` (RFC 3261 §21.4.26) and say why in a Warning.

    `warning` is the Warning code of RFC 3261 §20.43: 302 transport, 304 media type, 305 format, 399 other.
    """

    code = 488

    def __init__(self, reason: str, warning: int = 399) -> None:
        super().__init__(f"SDP: {reason}")
        self.reason = reason
        self.warning = warning


@dataclass(frozen=True, slots=True)
class Limits:
    """What a description may cost us. The largest a browser sends with one audio line is about 4 KB."""

    characters: int = 16_384
    lines: int = 400
    media: int = 8
    formats: int = 64
    cryptos: int = 8
    candidates: int = 32


LAWS = ("PCMU", "PCMA")  # RFC 3551 §6: G.711, µ-law and A-law
EVENTS = "telephone-event"  # RFC 4733
STATIC = {0: "PCMU", 8: "PCMA"}  # RFC 3551 table 4
PLAIN = ("RTP/AVP", "RTP/AVPF")
SDES = ("RTP/SAVP", "RTP/SAVPF")  # RFC 4568
DTLS = ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")  # RFC 5764
# Bytes of master key and salt. RFC 4568 §6.2 and RFC 7714 §14.2; weaker suites (32-bit tags, F8, NULL) are left out.
SUITES = {"AES_CM_128_HMAC_SHA1_80": 30, "AEAD_AES_128_GCM": 28, "AEAD_AES_256_GCM": 44}
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
MIRRORED = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}  # RFC 3264 §6.1

MULTICAST = 14  # the upper half of an IPv4 address's first byte (RFC 5771)
_ADDRESS = r"[0-9A-Fa-f:.]{2,45}"
# The attributes that may be passed on, with the whole grammar of their values; what does not fit is dropped.
KEPT = {
    "ptime": r"[1-9]\d{0,2}",
    "rtcp-mux": r"",
    "mid": r"[A-Za-z0-9]{1,16}",  # RFC 5888
    "setup": r"active|passive|actpass",  # RFC 4145
    "fingerprint": r"sha-(?:256|384|512) (?:[0-9A-Fa-f]{2}:){31,63}[0-9A-Fa-f]{2}",  # RFC 8122
    "ice-ufrag": r"[A-Za-z0-9+/]{4,256}",  # RFC 8839 §5.4
    "ice-pwd": r"[A-Za-z0-9+/]{22,256}",
    "ice-options": r"(?:trickle|ice2|renomination)(?: (?:trickle|ice2|renomination))*",
    # RFC 8839 §5.1; extension attributes after it are dropped, and so are host names (mDNS)
    "candidate": r"[A-Za-z0-9+/]{1,32} [12] [A-Za-z]{3} \d{1,10} "
    rf"{_ADDRESS} \d{{1,5}} typ (?:host|srflx|prflx|relay)(?: raddr {_ADDRESS} rport \d{{1,5}})?",
    "end-of-candidates": r"",
}
SESSION_WIDE = ("setup", "fingerprint", "ice-ufrag", "ice-pwd", "ice-options")  # may stand above the first m= line
_KEPT = {
    name: re.compile(rf"(?:{pattern})(?= |\Z)" if name == "candidate" else rf"(?:{pattern})\Z", re.ASCII)
    for name, pattern in KEPT.items()
}
_MEDIA = re.compile(r"([a-z]{1,16}) (\d{1,5})(?:/\d{1,2})? ([A-Z0-9/]{3,20}) ([!-~]{1,32}(?: [!-~]{1,32})*)", re.ASCII)
_RTPMAP = re.compile(r"(\d{1,3}) ([A-Za-z0-9._-]{1,32})/(\d{1,6})(?:/1)?", re.ASCII)
_KNOWN = {name.lower(): name for name in (*LAWS, EVENTS)}
_CRYPTO = re.compile(
    r"(\d{1,9}) ([A-Z0-9_]{1,32}) inline:([A-Za-z0-9+/=]{38,60})((?:\|2\^\d{1,2})?(?:\|\d{1,10}:\d{1,3})?)"
)


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type at 8 kHz."""

    payload: int
    name: str  # "PCMU", "PCMA" or "telephone-event"


@dataclass(frozen=True, slots=True, repr=False)
class Audio:
    """One audio stream, as far as it may be passed on. Holds addresses and keys: it prints as its transport only."""

    host: str
    port: int
    protocol: str
    codecs: tuple[Codec, ...]
    direction: str = "sendrecv"
    rtcp_port: int = 0  # RFC 3605; 0: the next one
    crypto: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Audio({self.protocol})"

    @property
    def family(self) -> str:
        """ "IP4" or "IP6"."""
        return "IP6" if ":" in self.host else "IP4"

    @property
    def holds(self) -> bool:
        """Whether the writer does not want to hear the other side (RFC 3264 §8.4, and the older 0.0.0.0)."""
        return self.direction in ("sendonly", "inactive") or self.host in ("0.0.0.0", "::")  # noqa: S104

    @property
    def names(self) -> frozenset[str]:
        """The codecs' names."""
        return frozenset(codec.name for codec in self.codecs)

    def attribute(self, name: str) -> str:
        """The first value of an attribute, "" where there is none."""
        return next((value for key, value in self.attributes if key == name), "")

    def having(self, name: str, value: str) -> Audio:
        """The same with this attribute alone under its name; "" takes it away."""
        others = tuple(pair for pair in self.attributes if pair[0] != name)
        return replace(self, attributes=(*others, (name, value)) if value else others)

    def law(self) -> Codec:
        """The preferred G.711 codec. Raises UnacceptableOffer where there is none."""
        for codec in self.codecs:
            if codec.name in LAWS:
                return codec
        raise UnacceptableOffer("no G.711 (PCMU, PCMA) among the formats", 305)

    def only(self, law: str) -> Audio:
        """The same with this law and telephone-event alone. Raises UnacceptableOffer where the law is missing."""
        kept = tuple(codec for codec in self.codecs if codec.name in (law, EVENTS))
        if law not in self.names:
            raise UnacceptableOffer("the call's G.711 law is not among the formats", 305)
        return self if kept == self.codecs else replace(self, codecs=kept)

    def facing(self, direction: str) -> Audio:
        """The same with another direction."""
        return self if direction == self.direction else replace(self, direction=direction)


@dataclass(frozen=True, slots=True)
class Description:
    """A whole description: the audio stream we take, and every m= line in order (`kind protocol formats`)."""

    audio: Audio
    taken: int  # index of the audio's m= line
    media: tuple[tuple[str, str, str], ...]


def read(text: str, transports: Sequence[str], limits: Limits | None = None) -> Description:
    """Read a description and take its first audio stream over one of `transports`.

    Raises UnacceptableOffer naming what is wrong, never a value: too large, no audio, a transport that is not allowed,
    crypto over plain RTP (which would pretend), SRTP without a suite we accept, an address that is no IP literal.
    """
    limits = limits or Limits()
    session, sections = _sections(text, limits)
    media = tuple(_media_line(section, limits) for section in sections)
    usable = [at for at, (kind, port, _, _) in enumerate(media) if kind == "audio" and port > 0]
    if not usable:
        raise UnacceptableOffer("no audio stream is offered", 304)
    at = next((at for at in usable if media[at][2] in transports), None)
    if at is None:
        raise UnacceptableOffer("the audio's transport is not allowed here", 302)
    audio = _audio(session, sections[at], media[at], limits)
    return Description(audio, at, tuple((kind, protocol, formats) for kind, _, protocol, formats in media))


def _sections(text: str, limits: Limits) -> tuple[list[str], list[list[str]]]:
    if len(text) > limits.characters:
        raise UnacceptableOffer(f"longer than {limits.characters} characters")
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > limits.lines or text.count("\nm=") > limits.media:
        raise UnacceptableOffer(f"more than {limits.lines} lines or {limits.media} streams")
    if lines[0] != "v=0":
        raise UnacceptableOffer("it does not begin with v=0")
    starts = [at for at, line in enumerate(lines) if line.startswith("m=")] + [len(lines)]
    return lines[: starts[0]], [lines[start:end] for start, end in itertools.pairwise(starts)]


def _media_line(section: list[str], limits: Limits) -> tuple[str, int, str, str]:
    match = _MEDIA.fullmatch(section[0][2:].rstrip())
    if match is None or match[4].count(" ") >= limits.formats or int(match[2]) > 65_535:
        raise UnacceptableOffer("an m= line is malformed")
    return match[1], int(match[2]), match[3], match[4]


def _audio(session: list[str], section: list[str], media: tuple[str, int, str, str], limits: Limits) -> Audio:
    _, port, protocol, formats = media
    wide, attributes = _attributes(session), _attributes(section)
    named: dict[str, list[str]] = {}
    for name, value in attributes:
        named.setdefault(name, []).append(value)
    crypto = _crypto(named.get("crypto", []), limits)
    if protocol in PLAIN and "crypto" in named:
        raise UnacceptableOffer("crypto over plain RTP: offer RTP/SAVP", 302)
    if protocol in SDES and not crypto:
        raise UnacceptableOffer("no SRTP suite we accept is offered", 302)
    return Audio(
        host=_host(session, section),
        port=port,
        protocol=protocol,
        codecs=_codecs(formats, named.get("rtpmap", [])),
        direction=_direction(attributes) or _direction(wide) or "sendrecv",
        rtcp_port=_rtcp_port(named.get("rtcp", [""])[0]),
        crypto=crypto if protocol in SDES else (),
        attributes=_kept(wide, attributes, limits),
    )


def _attributes(lines: list[str]) -> list[tuple[str, str]]:
    found = []
    for line in lines:
        if line.startswith("a="):
            name, _, value = line[2:].rstrip().partition(":")
            found.append((name, value))
    return found


def _host(session: list[str], section: list[str]) -> str:
    """The connection address, the stream's own before the session's (RFC 8866 §5.7). Raises for a name or multicast."""
    line = _first_of(section, "c=") or _first_of(session, "c=")
    parts = line[2:].split()
    if len(parts) != 3 or parts[0] != "IN":
        raise UnacceptableOffer("the connection address is no IP literal")
    return _address(parts[2], parts[1])


def _first_of(lines: list[str], start: str) -> str:
    for line in lines:
        if line.startswith(start):
            return line
    return ""


def _address(text: str, family: str) -> str:
    if family == "IP4" and _is_unicast_ip4(text):
        return text
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise UnacceptableOffer("the connection address is no IP literal") from None
    if address.is_multicast or f"IP{address.version}" != family or "%" in text:
        raise UnacceptableOffer("the connection address is not a unicast one of its family")
    return str(address)


def _is_unicast_ip4(text: str) -> bool:
    """As strict as `ipaddress`, in a tenth of its time."""
    try:
        return socket.inet_pton(socket.AF_INET, text)[0] >> 4 != MULTICAST
    except (OSError, ValueError):
        return False


def _codecs(formats: str, maps: list[str]) -> tuple[Codec, ...]:
    """What we speak of what is offered, in the offerer's order of preference. 8 kHz only."""
    names = dict(STATIC)
    for value in maps:
        match = _RTPMAP.fullmatch(value)
        if match:
            known = _KNOWN.get(match[2].lower(), "")
            names[int(match[1])] = known if match[3] == "8000" else ""
    found: dict[str, Codec] = {}
    for text in formats.split():
        payload = int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else -1
        name = names.get(payload) if payload <= 127 else ""
        if name and name not in found:
            found[name] = _codec(payload, name)
    return tuple(found.values())


@lru_cache(maxsize=512)
def _codec(payload: int, name: str) -> Codec:
    return Codec(payload, name)


def _direction(attributes: list[tuple[str, str]]) -> str:
    for name, value in attributes:
        if name in DIRECTIONS and not value:
            return name
    return ""


def _rtcp_port(value: str) -> int:
    text = value.partition(" ")[0]
    port = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    return port if port <= 65_535 else 0


def _crypto(lines: list[str], limits: Limits) -> tuple[str, ...]:
    """The crypto lines we accept: an allowed suite, a key of its length, no session parameter (RFC 4568 §6.3: they
    switch protection off)."""
    if len(lines) > 4 * limits.cryptos:
        raise UnacceptableOffer("too many crypto lines")
    return tuple(line for line in lines if _acceptable(line))[: limits.cryptos]


def _acceptable(crypto: str) -> bool:
    match = _CRYPTO.fullmatch(crypto)
    if match is None or match[2] not in SUITES:
        return False
    try:
        key = base64.b64decode(match[3] + "=" * (-len(match[3]) % 4), validate=True)
    except binascii.Error:
        return False
    return len(key) == SUITES[match[2]]


def _kept(session: list[tuple[str, str]], own: list[tuple[str, str]], limits: Limits) -> tuple[tuple[str, str], ...]:
    stated = {name for name, _ in own}
    wide = [(name, value) for name, value in session if name in SESSION_WIDE and name not in stated]
    kept, candidates = [], 0
    for name, value in (*wide, *own):
        grammar = _KEPT.get(name)
        match = grammar.match(value) if grammar else None
        if match:
            kept.append((name, match[0]))
            candidates += name == "candidate"
    if candidates > limits.candidates:
        raise UnacceptableOffer(f"more than {limits.candidates} ICE candidates")
    return tuple(kept)


def render(audio: Audio, session_id: int = 1, version: int = 1) -> str:
    """A new description of one audio stream. `o=` names nobody (RFC 8866 §5.2): "-", our own numbers, the address."""
    return "\r\n".join([*_head(audio, session_id, version), *_stream(audio), ""])


def render_answer(offer: Description, audio: Audio, session_id: int = 1, version: int = 1) -> str:
    """As `render`, with a refused line (port 0) for every other stream of the offer, in its place (RFC 3264 §6)."""
    lines = _head(audio, session_id, version)
    for at, (kind, protocol, formats) in enumerate(offer.media):
        lines += _stream(audio) if at == offer.taken else [f"m={kind} 0 {protocol} {formats}"]
    return "\r\n".join([*lines, ""])


def _head(audio: Audio, session_id: int, version: int) -> list[str]:
    where = f"IN {audio.family} {audio.host}"
    return [f"v=0\r\no=- {session_id} {version} {where}\r\ns=-\r\nc={where}\r\nt=0 0"]


def _stream(audio: Audio) -> list[str]:
    formats, maps, events = _format_lines(audio.codecs)
    lines = [f"m=audio {audio.port} {audio.protocol} {formats}", *maps, *events]
    lines += [f"a=crypto:{line}" for line in audio.crypto]
    if audio.rtcp_port:
        lines.append(f"a=rtcp:{audio.rtcp_port}")
    lines += [f"a={name}:{value}" if value else f"a={name}" for name, value in audio.attributes]
    return [*lines, f"a={audio.direction}"]


@lru_cache(maxsize=512)
def _format_lines(codecs: tuple[Codec, ...]) -> tuple[str, list[str], list[str]]:
    """The formats of the m= line, and the lines that say what they are."""
    maps = [f"a=rtpmap:{codec.payload} {codec.name}/8000" for codec in codecs]
    events = [f"a=fmtp:{codec.payload} 0-15" for codec in codecs if codec.name == EVENTS]
    return " ".join(str(codec.payload) for codec in codecs), maps, events
