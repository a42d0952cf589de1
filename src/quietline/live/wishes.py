"""What an agent may wish for while they talk to a caller, as the desk asks for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pass:
    """On to a queue, or to one colleague, without a word (blind)."""

    queue: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A word with this colleague first (warm)."""

    agent: str


@dataclass(frozen=True, slots=True)
class Settle:
    """How a consultation is to end: "complete" hands the caller over, "back" takes them back. A leg that ends settles
    it too: the first agent's by handing over, the colleague's by giving back."""

    how: str


Wish = Pass | Ask | Settle
