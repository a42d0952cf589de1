"""SDP: what we write we read the same, and no text of a peer's gets through unchecked."""

from __future__ import annotations

import base64
import re
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from quietline.telephony.sdp import DIRECTIONS, DTLS, PLAIN, SDES, SUITES, Audio, Codec, UnacceptableOffer, read, render

ANY = (*PLAIN, *SDES, *DTLS)
LINE = re.compile(
    r"v=0|o=- \d+ \d+ IN IP[46] [0-9a-f.:]+|s=-|c=IN IP[46] [0-9a-f.:]+|t=0 0|m=audio \d+ [A-Z/]+(?: \d+)*"
    r"|a=rtpmap:\d+ (?:PCMU|PCMA|telephone-event)/8000|a=fmtp:\d+ 0-15|a=rtcp:\d+"
    r"|a=(?:sendrecv|sendonly|recvonly|inactive)"
    r"|a=crypto:\d+ \w+ inline:[A-Za-z0-9+/=|:^]+|a=ptime:\d+|a=rtcp-mux|a=mid:\w+|a=setup:\w+"
    r"|a=fingerprint:sha-\d+ [0-9A-Fa-f:]+|a=ice-ufrag:[\w+/]+|a=ice-pwd:[\w+/]+|a=ice-options:[\w ]+"
    r"|a=candidate:[A-Za-z0-9+/.: ]+|a=end-of-candidates",
    re.ASCII,
)


@st.composite
def audios(draw: st.DrawFn) -> Audio:
    payloads = draw(st.lists(st.integers(96, 127), min_size=3, max_size=3, unique=True))
    names = draw(st.permutations(["PCMU", "PCMA", "telephone-event"]))[: draw(st.integers(1, 3))]
    suites = draw(st.lists(st.sampled_from(sorted(SUITES)), min_size=1, max_size=3, unique=True))
    protocol = draw(st.sampled_from((*PLAIN, *SDES)))
    key = draw(st.binary(min_size=44, max_size=44))
    lines = [f"{tag} {s} inline:{base64.b64encode(key[: SUITES[s]]).decode()}" for tag, s in enumerate(suites, 1)]
    address = st.ip_addresses(v=4, network="198.51.100.0/24") | st.ip_addresses(v=6, network="2001:db8::/32")
    return Audio(
        host=str(draw(address)),
        port=draw(st.integers(1, 65_535)),
        protocol=protocol,
        codecs=tuple(Codec(payload, name) for payload, name in zip(payloads, names, strict=False)),
        direction=draw(st.sampled_from(DIRECTIONS)),
        rtcp_port=draw(st.integers(0, 65_535)),
        crypto=tuple(lines) if protocol in SDES else (),
        attributes=draw(st.sampled_from([(), (("rtcp-mux", ""), ("ptime", "20")), (("mid", "0"),)])),
    )


@given(audios(), st.integers(0, 2**31), st.integers(0, 2**31))
def test_what_is_written_is_read_the_same(audio: Audio, session: int, version: int) -> None:
    assert read(render(audio, session, version), ANY).audio == audio


KEY = base64.b64encode(bytes(30)).decode()
PIECES = st.sampled_from(
    ["v=0", "s=-", "c=IN IP4 192.0.2.1", "c=IN IP6 ::1", "m=audio 9 RTP/AVP 0", "m=audio 9 RTP/SAVP 8 101",
     "a=sendonly", "a=rtpmap:101 telephone-event/8000", "a=ptime:20", "a=setup:active", "m=video 9 RTP/AVP 31",
     "a=rtcp:", "a=crypto:", f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
     "a=candidate:1 1 UDP 1 ::1 9 typ host", "a=ptime:٢٠", "a=mid:é", "a=rtpmap:٩ PCMA/8000"]
)  # fmt: skip
NAMES = st.sampled_from(["tool", "mid", "ptime", "rtcp", "rtpmap", "fmtp", "crypto", "candidate", "ice-ufrag", "setup"])
ANYTHING = st.text(max_size=40)


@given(st.lists(PIECES | st.builds("a={}:{}".format, NAMES, ANYTHING) | ANYTHING, max_size=25), st.booleans())
def test_any_text_is_refused_or_comes_out_in_our_grammar_alone(lines: list[str], begin: bool) -> None:
    head = ["v=0", "c=IN IP4 192.0.2.1", "m=audio 9 RTP/AVP 0 101"] if begin else []
    with suppress(UnacceptableOffer):
        made = render(read("\r\n".join([*head, *lines]), ANY).audio)
        for line in made.removesuffix("\r\n").split("\r\n"):
            assert LINE.fullmatch(line), line


@given(st.text(max_size=2_000))
def test_raw_text_never_does_more_than_be_refused(text: str) -> None:
    with suppress(UnacceptableOffer):
        read(text, ANY)
