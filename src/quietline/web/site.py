"""What the desk's web process is told: its own address, its limits, and where browsers find the phone edge."""

from __future__ import annotations

from dataclasses import dataclass, field

from quietline.config import Config

HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the web process. Bytes, seconds and counts."""

    body_bytes: int = 8_192  # the longest note is 2,000 characters, at most four bytes each
    note_characters: int = 2_000
    heartbeat_seconds: float = 2.0  # between comments on an idle event stream; the session is checked again each time
    session_cache_seconds: float = 300.0  # how long call control outlives the vault; never a reveal
    streams_per_agent: int = 8
    offline_after_seconds: float = 12.0  # after an agent's last page has gone; a reload takes less
    sign_ins_at_once: int = 4  # argon2 in the vault costs 64 MiB each
    sign_ins_waiting: int = 32  # above it 503
    connections: int = 2_048
    turn_seconds: int = 14_400  # life of a TURN credential: the longest call


@dataclass(frozen=True, slots=True)
class Site:
    """One origin: the page, its API, and the signalling socket on the same host name (corrections, Edge)."""

    host: str
    port: int
    wss_port: int
    origins: frozenset[str] = frozenset()  # further Origin values, as at the edge
    turn: str = ""
    turn_secret: bytes = field(default=b"", repr=False)
    sign_on: bool = False  # there is an identity provider
    limits: Limits = Limits()

    @property
    def authority(self) -> str:
        """Host and port as a browser writes them in Host; the port is left out when it is 443 (RFC 9110 §7.2)."""
        return self.host if self.port == HTTPS_PORT else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"https://{self.authority}"

    @property
    def phone_socket(self) -> str:
        """Where the softphone connects (RFC 7118)."""
        return f"wss://{self.host}:{self.wss_port}"

    def allows_origin(self, origin: str) -> bool:
        return origin == self.origin or origin in self.origins


def site_of(config: Config, turn_secret: bytes = b"") -> Site:
    """The web process's part of the configuration."""
    return Site(
        host=config.edge.realm,
        port=config.web.port,
        wss_port=config.edge.wss_port,
        origins=frozenset(config.edge.origins),
        turn=config.web.turn,
        turn_secret=turn_secret,
        sign_on=bool(config.oidc.issuer),
    )
