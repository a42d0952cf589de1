"""The log's side: bring an exported copy's checkpoint to witnesses, and put their words on it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from quietline.errors import ConfigError, QuietlineError, TamperError, Unavailable
from quietline.ledger.checkpoint import NoteVerifier
from quietline.ledger.export import CHECKPOINT
from quietline.ledger.merkle import consistency_proof
from quietline.ledger.verify import Copy
from quietline.witness.core import SIZE_TYPE
from quietline.witness.cosignature import CosignatureVerifier, Seen
from quietline.witness.request import AddCheckpoint

SECONDS = 10.0
TRIES = 3  # another of our copies may have come between two of them


@dataclass(frozen=True, slots=True)
class Place:
    """A witness: where it answers, and whose word it should be."""

    url: str
    verifier: CosignatureVerifier

    @classmethod
    def parse(cls, text: str) -> Place:
        """`URL=VKEY`. Raises ConfigError; plain HTTP is for loopback only."""
        url, equals, vkey = text.partition("=")
        host = httpx.URL(url).host if equals else ""
        if not equals or not url.startswith(("https://", "http://")):
            raise ConfigError("witness: want URL=KEY, e.g. https://witness.example/=witness.example+0a1b2c3d+BA...")
        if url.startswith("http://") and host not in ("127.0.0.1", "::1", "localhost"):
            raise ConfigError(f"witness: {host}: plain HTTP is for this machine only; give an https:// address")
        return cls(url.rstrip("/"), CosignatureVerifier(vkey))


@dataclass(frozen=True, slots=True)
class Told:
    """What came of asking a witness. `refused`: why not, "" where it has signed."""

    witness: str
    time: int = 0
    refused: str = ""


def cosign_over_http(directory: Path, vkey: str, places: Sequence[Place]) -> list[Told]:
    """`cosign`, with a client of its own; redirects are not followed."""
    with httpx.Client(follow_redirects=False) as client:
        return cosign(directory, vkey, places, client)


def cosign(directory: Path, vkey: str, places: Sequence[Place], client: httpx.Client) -> list[Told]:
    """Ask each witness for its word on this verified copy, and add what it says to the copy's checkpoint.

    Raises VerifyError when the copy itself does not verify: nobody should be asked to sign that.
    """
    copy = Copy(directory, NoteVerifier(vkey))
    copy.verify()
    told = []
    for place in places:
        note = (directory / CHECKPOINT).read_bytes()
        try:
            line = _ask(copy, note, place, client)
            seen = _added(directory, note, line, place.verifier)
            told.append(Told(place.verifier.name, seen.time))
        except QuietlineError as error:
            told.append(Told(place.verifier.name, refused=str(error)))
    return told


def _ask(copy: Copy, note: bytes, place: Place, client: httpx.Client) -> str:
    """The witness's line. The size that it has seen comes with its first refusal."""
    old = 0
    for _ in range(TRIES):
        answer = _post(client, place, _request(copy, old, note))
        if answer.status_code != httpx.codes.CONFLICT:
            break
        old = _size(answer, copy.checkpoint.size, old)
    if answer.status_code != httpx.codes.OK:
        raise TamperError(f"the witness refused ({answer.status_code}): {answer.text.strip()[:200]}")
    return answer.text


def _request(copy: Copy, old: int, note: bytes) -> AddCheckpoint:
    return AddCheckpoint(old, tuple(consistency_proof(old, copy.checkpoint.size, copy.nodes)), note)


def _post(client: httpx.Client, place: Place, request: AddCheckpoint) -> httpx.Response:
    try:
        return client.post(f"{place.url}/add-checkpoint", content=request.encode(), timeout=SECONDS)
    except httpx.HTTPError as error:
        raise Unavailable(f"the witness cannot be reached ({type(error).__name__})") from None


def _size(answer: httpx.Response, ours: int, asked: int) -> int:
    """What a 409 says has been seen. Raises TamperError where that cannot be continued by this copy."""
    text = answer.text.strip()
    if answer.headers.get("content-type") != SIZE_TYPE or not text.isdecimal() or len(text) > 19:
        raise TamperError("the witness refused (409) without a size")
    seen = int(text)
    if seen > ours:
        raise TamperError(f"the witness has seen {seen} entries, and this copy has {ours}: an older copy, or a cut one")
    if seen == asked:
        raise TamperError(f"the witness has signed another history of {seen} entries: this log was forked")
    return seen


def _added(directory: Path, note: bytes, line: str, verifier: CosignatureVerifier) -> Seen:
    """Put the line below the note. Raises TamperError unless it is that witness's word on this checkpoint."""
    cosigned = note + line.encode()
    seen = verifier.seen(cosigned)
    if seen is None:
        raise TamperError(f"the witness answered, and not as {verifier.name}")
    kept = _without(note, verifier) + line.encode()
    fresh = directory / "checkpoint.new"
    fresh.write_bytes(kept)
    os.replace(fresh, directory / CHECKPOINT)
    return seen


def _without(note: bytes, verifier: CosignatureVerifier) -> bytes:
    """The note without an earlier word of this witness."""
    text, blank, lines = note.rpartition(b"\n\n")
    mark = f"— {verifier.name} ".encode()
    return text + blank + b"".join(each for each in lines.splitlines(keepends=True) if not each.startswith(mark))
