"""A call's media as data: its saved state, the tags of its legs, what rtpengine is told of each kind of phone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from quietline.telephony import sdp as s
from quietline.telephony.bencode import Value
from quietline.telephony.ports import AgentPhone

ID_PREFIX = "ql-"
CALLER, NOBODY = "C", "I"
INSIDE = "inside"  # the logical interface of `I`, on loopback: out of the world's reach
FLAGS: tuple[Value, ...] = ("trust-address", "port-latching", "strict-source", "generate-RTCP")
REPLACE: tuple[Value, ...] = ("origin", "session-connection")
MOST_KNOWN = 8  # descriptions; a call has four at a time
FOREVER = 100_000  # repetitions of the music
REFUSED_SUITES = (  # rtpengine's own list less sdp.SUITES; it knows `no-` only
    "NULL_HMAC_SHA1_80",
    "NULL_HMAC_SHA1_32",
    "F8_128_HMAC_SHA1_80",
    "F8_128_HMAC_SHA1_32",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_192_CM_HMAC_SHA1_80",
    "AES_192_CM_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
)
SDES_ONLY: tuple[Value, ...] = (
    "pad",
    *(f"no-{suite}" for suite in REFUSED_SUITES),
)  # pad: baresip 1.0 needs padded keys
TO_NOBODY: dict[str, Value] = {
    "transport_protocol": "RTP/AVP",
    "ICE": "remove",
    "DTLS": "off",
    "address_family": "IP4",
}
PHONES: dict[AgentPhone, dict[str, Value]] = {
    AgentPhone.BROWSER: {
        "transport_protocol": "UDP/TLS/RTP/SAVPF",
        "ICE": "force",
        "DTLS": "passive",
        "SDES": ("off",),
        "rtcp_mux": ("require",),
        "flags": (*FLAGS, "generate-mid"),
    },
    AgentPhone.SIP: {
        "transport_protocol": "RTP/SAVP",
        "ICE": "remove",
        "DTLS": "off",
        "SDES": SDES_ONLY,
        "rtcp_mux": ("demux",),
    },
}
TRANSPORTS = {AgentPhone.BROWSER: s.DTLS, AgentPhone.SIP: s.SDES}


@dataclass(slots=True, repr=False)
class State:
    """All there is to know of a call's media, as plain data. The descriptions hold addresses and keys: personal."""

    call: str
    law: str = ""
    caller: str = ""  # the caller's description, rebuilt, with the one law and suite in use
    caller_answer: str = ""  # ours to the caller
    inside: bool = False  # the tag I exists
    attempt: str = ""  # the attempt whose tag exists
    attempts: int = 0  # how many there were: the tag is "A" and this number
    phone: str = ""
    agent_key: str = ""  # the key of our own that the agent is offered in the caller's suite
    agent_suite: str = ""  # where that suite is another than the caller's
    agent_tag: str = ""  # where it is not "A" and the number: a colleague to whom the caller was handed over
    agent_offer: str = ""  # ours to the agent
    agent: str = ""  # the agent's description once bridged, rebuilt
    held: bool = False  # by the agent
    caller_holds: bool = False
    muted: bool = False
    prompting: bool = False  # a prompt plays on a bridged call: the agent's voice is blocked meanwhile
    called_offer: str = ""  # ours to a customer who is being called back
    first: str = ""  # the agent's description while they ask a colleague; `agent` is "" then: the caller is alone
    second: str = ""  # the colleague's description once they answered
    second_tag: str = ""  # the tag of the colleague being asked
    second_attempt: str = ""
    second_phone: str = ""
    second_key: str = ""
    second_suite: str = ""
    second_offer: str = ""  # ours to the colleague
    seconds: int = 0  # how many colleagues were asked: the tag is "B" and this number
    looping: str = ""  # the prompt that loops, so that it can go on
    versions: dict[str, list[int]] = field(default_factory=dict)  # tag -> [session id, version] of our o= lines


class Known(dict[str, s.Audio]):
    """What the state's texts say, so that a description we wrote ourselves is not read again. Bounded."""

    def keep(self, audio: s.Audio) -> str:
        """The text of a description for the state."""
        if len(self) >= MOST_KNOWN:
            self.clear()
        text = s.render(audio)
        self[text] = audio
        return text


def relay_id(call: str) -> str:
    """The call's id toward the relay: a digest, so that nothing of our own id can be read there."""
    return ID_PREFIX + hashlib.sha256(call.encode()).hexdigest()[:20]
