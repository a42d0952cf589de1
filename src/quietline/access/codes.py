"""One-time codes: six digits, single use, bound to one leg, two minutes, three tries (NIST SP 800-63B §5.1.3, OTP by an
out-of-band channel). Pure: clock readings, key and digits are handed in.

Only an HMAC under a key of this process and the leg's id is kept: the table alone, in a log or on disk, yields no code.
After a restart the caller is sent a new one. A new code replaces the old and its tries, and sends are counted per leg,
so that replacing cannot buy more than `sends × tries` guesses: 9 in 10^6 at the defaults. Calling again and again buys
no more than `sends_a_day × tries` for one subject: 30 in 10^6 a day (§5.2.2 there allows 100 failures in a row).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from quietline.reasons import Why, denied
from quietline.sealed import Sealed, Ticket

DIGITS = 6
_DAY = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class CodeLimits:
    """`seconds` a code is good for, `tries` for each code, `sends` for each leg, `sends_a_day` for each subject.

    `remembered`: subjects kept; the least recently sent to go first.
    """

    seconds: float = 120.0
    tries: int = 3
    sends: int = 3
    sends_a_day: int = 10
    remembered: int = 100_000


@dataclass(frozen=True, slots=True)
class _Pending:
    mac: bytes = field(repr=False)
    expires: float
    tries_left: int


def random_code() -> str:
    """Six digits, each of the 10^6 as likely."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"


class Codes:
    """The codes under way. Not safe across threads; no method awaits, so a code is used at most once."""

    def __init__(
        self, limits: CodeLimits | None = None, key: bytes | None = None, make_code: Callable[[], str] = random_code
    ) -> None:
        self._limits = limits or CodeLimits()
        self._key = key or secrets.token_bytes(32)
        self._make_code = make_code
        self._pending: dict[str, _Pending] = {}
        self._sends: dict[str, int] = {}
        self._days: OrderedDict[str, list[float]] = OrderedDict()  # subject -> times of sends in the last day

    def issue(self, leg: str, now: float, subject: str = "") -> Sealed[str]:
        """A new code for this leg; the old one is dead. Raises Denied("code-sends-used-up").

        Called for callers who are not known as well (the code is then sent nowhere), so that both are treated alike.
        `subject`: a token that is the same over calls (the number's blind index, known or not); "" counts no day.
        """
        sent = self._sends.get(leg, 0)
        today = [at for at in self._days.get(subject, ()) if now - _DAY < at]
        if sent >= self._limits.sends or len(today) >= self._limits.sends_a_day:
            raise denied(Why.CODE_SENDS_USED_UP)
        self._sends[leg] = sent + 1
        if subject:
            self._remember(subject, [*today, now])
        code = self._make_code()
        self._pending[leg] = _Pending(self._mac(leg, code), now + self._limits.seconds, self._limits.tries)
        return Sealed(code)

    def check(self, leg: str, digits: Sealed[str], now: float, ticket: Ticket) -> None:
        """Returns if the digits are this leg's code, which is then spent. Otherwise raises Denied.

        "code-expired": none under way or too late. "code-wrong": tries remain. "code-used-up": that was the last.
        Time does not tell how many digits were right (compare_digest over the MACs).
        """
        pending = self._pending.get(leg)
        if pending is None or now >= pending.expires:
            self._pending.pop(leg, None)
            raise denied(Why.CODE_EXPIRED)
        if hmac.compare_digest(pending.mac, self._mac(leg, digits.open(ticket))):
            del self._pending[leg]
            return
        self._count_down(leg, pending)

    def forget(self, leg: str) -> None:
        """The leg ended: its code and its count go."""
        self._pending.pop(leg, None)
        self._sends.pop(leg, None)

    def _remember(self, subject: str, sends: list[float]) -> None:
        self._days[subject] = sends
        self._days.move_to_end(subject)
        if len(self._days) > self._limits.remembered:
            self._days.popitem(last=False)

    def _count_down(self, leg: str, pending: _Pending) -> None:
        if pending.tries_left <= 1:
            del self._pending[leg]
            raise denied(Why.CODE_USED_UP)
        self._pending[leg] = replace(pending, tries_left=pending.tries_left - 1)
        raise denied(Why.CODE_WRONG)

    def _mac(self, leg: str, code: str) -> bytes:
        return hmac.digest(self._key, f"code\0{leg}\0{code}".encode(), hashlib.sha256)
