"""The end of a key-encryption key: asked for by one administrator, agreed to by another, done after a waiting window.

Pure decisions. What is still wrapped under it, and the vault's own say, come from key_desk.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from quietline.errors import Denied
from quietline.vault.database import Row


@dataclass(frozen=True, slots=True)
class KekEnd:
    """One version that is to go. People are tokens of staff; times: UTC seconds, 0 for not yet."""

    version: int
    asked_by: str
    asked: float
    approved_by: str = ""
    approved: float = 0.0

    def row(self) -> Row:
        return (self.version, self.asked_by, self.asked, self.approved_by, self.approved)


def approve(end: KekEnd | None, version: int, who: str, now: float) -> KekEnd:
    """The second person's word. Raises Denied("not-asked" | "second-person")."""
    if end is None:
        raise Denied("not-asked", f"nobody has asked for the end of version {version}; ask first")
    if who == end.asked_by:
        raise Denied("second-person", "another administrator than the one who asked must agree")
    return replace(end, approved_by=who, approved=now)


def require_ripe(end: KekEnd | None, version: int, now: float, window: float) -> KekEnd:
    """Two people have said so, and the window (seconds) has passed since. Raises Denied("not-asked" | "too-early")."""
    if end is None or not end.approved_by:
        raise Denied("not-asked", f"two administrators must have asked for the end of version {version}")
    left = end.approved + window - now
    if left > 0:
        raise Denied(
            "too-early", f"version {version} may go in {left / 3_600:.1f} hours; until then it can be taken back"
        )
    return end
