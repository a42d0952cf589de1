"""What a witness decides: it signs a checkpoint only if it continues the newest one that it has signed. Pure but for
the memory it is given.

So nobody can show two histories of one log to two people who both ask for this witness's word, and nobody can put back
an older copy. What it cannot know: whether an entry was never written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from quietline.errors import TamperError
from quietline.ledger.checkpoint import Checkpoint, NoteVerifier
from quietline.ledger.merkle import EMPTY_ROOT, verify_consistency
from quietline.witness.cosignature import Cosigner
from quietline.witness.request import AddCheckpoint

SIZE_TYPE = "text/x.tlog.size"  # tlog-witness: of the body of a 409
TEXT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: str
    type: str = TEXT_TYPE


class Memory(Protocol):
    """The newest checkpoint of each log that was signed."""

    def latest(self, origin: str) -> Checkpoint | None: ...

    def advance(self, before: Checkpoint | None, now: Checkpoint, note: bytes) -> bool:
        """Put `now` in the place of `before`, durable on return; False where `before` is not the newest any more."""

    def keep_evidence(self, origin: str, note: bytes, at: int) -> None:
        """Keep a note that the log signed though it had signed another root for that size: the proof of a fork."""


class Witness:
    """`logs`: verifiers by origin, those that the witness knows. `clock`: UTC seconds."""

    def __init__(
        self, cosigner: Cosigner, logs: Mapping[str, NoteVerifier], memory: Memory, clock: Callable[[], float]
    ) -> None:
        self._cosigner = cosigner
        self._logs = logs
        self._memory = memory
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """The answers of tlog-witness: 200 with a cosignature line; 400, 403, 404, 409, 422."""
        try:
            request = AddCheckpoint.parse(body)
            verifier = self._logs.get(_origin(request.note))
        except TamperError as error:
            return Answer(400, f"{error}\n")
        if verifier is None:
            return Answer(404, "this log is not known here\n")
        try:
            checkpoint = verifier.checkpoint(request.note)
        except TamperError as error:
            return Answer(403, f"{error}\n")
        return self._continue(request, checkpoint)

    def _continue(self, request: AddCheckpoint, now: Checkpoint) -> Answer:
        if request.old > now.size:
            return Answer(400, "old is larger than the checkpoint's size\n")
        before = self._memory.latest(now.origin)
        known = before or Checkpoint(now.origin, 0, EMPTY_ROOT)
        if request.old != known.size:
            return Answer(409, f"{known.size}\n", SIZE_TYPE)
        if now.size == known.size and now.root != known.root:
            self._memory.keep_evidence(now.origin, request.note, int(self._clock()))
            return Answer(409, f"{known.size}\n", SIZE_TYPE)
        try:
            verify_consistency(known.size, now.size, known.root, now.root, request.proof)
        except TamperError as error:
            return Answer(422, f"{error}\n")  # no evidence: the log's own note, but anybody's proof
        return self._sign(before, now, request.note)

    def _sign(self, before: Checkpoint | None, now: Checkpoint, note: bytes) -> Answer:
        if not self._memory.advance(
            before, now, note
        ):  # crash point: remembered and not signed is safe, and asked again
            newest = self._memory.latest(now.origin)
            return Answer(409, f"{newest.size if newest else 0}\n", SIZE_TYPE)
        return Answer(200, self._cosigner.sign(now.text(), int(self._clock())))


def _origin(note: bytes) -> str:
    """The first line of a note, as whose it claims to be."""
    try:
        return note.partition(b"\n")[0].decode()
    except UnicodeDecodeError:
        raise TamperError("checkpoint: not valid UTF-8") from None
