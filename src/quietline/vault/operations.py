"""Who may ask, and what an operation takes. `answers/` has the table of operations, one file a side or domain.

Who asks is the kernel's word (SO_PEERCRED). Personal values are sealed as they come off the wire.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from quietline.config import Users
from quietline.errors import ConfigError, Denied, ProtocolError
from quietline.sealed import Sealed
from quietline.wire import Frame, Peer


class Side(StrEnum):
    """Who may ask."""

    CONTROLLER = "controller"
    WEB = "web"
    ADMIN = "admin"
    SHOP = "shop"  # the connector: may bring orders in, and ask nothing


Parts = TypeVar("Parts", contravariant=True)


class Answer(Protocol[Parts]):
    """One operation: takes the request's fields, asks the parts of the open vault, answers plain data."""

    async def __call__(self, parts: Parts, fields: Fields, /) -> Frame: ...


MAX_TEXT = 16_384  # characters of any one text in a request


@dataclass(frozen=True, slots=True)
class Sides:
    """User ids by side."""

    controller: int
    web: int
    admin: int = 0
    shop: int = -1  # nobody

    def uid(self, side: Side) -> int:
        """The user id of a side."""
        return {Side.CONTROLLER: self.controller, Side.WEB: self.web, Side.ADMIN: self.admin, Side.SHOP: self.shop}[
            side
        ]

    @classmethod
    def of(cls, users: Users) -> Sides:
        """Raises ConfigError when the system lacks a user."""
        return cls(_uid(users.controller), _uid(users.web), shop=_uid(users.shop))

    def require(self, peer: Peer, operation: str, side: Side | None) -> None:
        """Returns if this peer may ask this. Raises ProtocolError for no operation of ours, Denied("not-yours")."""
        if side is None:
            raise ProtocolError("vault: no such operation")
        if peer.uid != self.uid(side):
            raise Denied("not-yours", f"{operation} is for the {side.value} user only")


def _uid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid if name else os.getuid()
    except KeyError:
        raise ConfigError(f"[users]: the system has no user {name}; `make setup` adds it") from None


class Fields:
    """A request's fields, checked as they are taken. Raises ProtocolError naming the field."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def text(self, name: str, default: str | None = None) -> str:
        """A text. Raises ProtocolError naming the field, never its value."""
        value = self._frame.get(name, default)
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise ProtocolError(f"vault: {name}: a text of at most {MAX_TEXT} characters is needed")
        return value

    def sealed(self, name: str) -> Sealed[str]:
        return Sealed(self.text(name))

    def number(self, name: str, default: float | None = None) -> float:
        """A number, as float. Raises ProtocolError."""
        value = self._frame.get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ProtocolError(f"vault: {name}: a number is needed")
        return float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, () where it is left out. Raises ProtocolError."""
        value = self._frame.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ProtocolError(f"vault: {name}: a list of texts is needed")
        return tuple(value)

    def flag(self, name: str) -> bool:
        """True or false, false where it is left out. Raises ProtocolError."""
        value = self._frame.get(name, False)
        if not isinstance(value, bool):
            raise ProtocolError(f"vault: {name}: true or false is needed")
        return value

    def raw(self, name: str) -> Any:
        """Whatever stands there; the operation checks it."""
        return self._frame.get(name)
