"""The journal: calls under way, sealed, so that kill -9 of the controller drops nobody (promise 11).

Its key is made by the supervisor at boot, handed over a pipe and kept in memory only: a copied disk shows noise, and
after a reboot, when no call lives any more, the journal can be read by nobody. Trusted for continuity, not for truth:
whoever can write it can make calls be forgotten, but opens nothing, for the vault asks the edge.
"""

from __future__ import annotations

import json
import marshal
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

log = structlog.get_logger()

VERSION = b"\x02"
NONCE = 12  # bytes, NIST SP 800-38D §8.2
MAGIC = b"quietline journal 1\n"
HEAD = struct.Struct("!HI")  # bytes of the call's id, bytes of its sealed record (0: forgotten); both follow
SLACK = 8 * 1024 * 1024  # bytes of records that no longer count, beyond which the file is written anew


class SealedJournal:
    """A file that only grows, the newest record of a call counts. A crash of the process loses nothing (the page cache
    outlives it) but the record being written; a crash of the machine may, when no call lives anyway.

    One `write` a record; SQLite took some 130 system calls a call for the same (docs/decisions/0008-figures.md).
    """

    def __init__(self, path: Path, key: bytes) -> None:
        """Open or make the file. Raises OSError where that cannot be done."""
        self._aead = AESGCM(key)
        self._path = path
        self._unwritten: dict[str, bytes] = {}  # call -> its newest entry
        self._failing = False
        self._file = _open(path)
        self._live: dict[str, tuple[int, int]] = {}  # call -> where its entry stands, and its length
        self._dead = 0  # bytes of entries that no longer count
        self._end = self._index()

    def save(self, call: str, record: dict[str, Any]) -> None:
        """Keep the newest record of a call. Never raises for a disk that cannot take it: see `_write`."""
        nonce = os.urandom(NONCE)
        body = self._aead.encrypt(nonce, _packed(record), VERSION + call.encode())
        self._write(call, _entry(call, VERSION + nonce + body))

    def forget(self, call: str) -> None:
        if call in self._live or call in self._unwritten:
            self._write(call, _entry(call, b""))

    def _write(self, call: str, entry: bytes) -> None:
        """A full disk costs what a crash would find here, never a call. The newest of each call is tried again with
        the next write of any."""
        self._unwritten[call] = entry
        try:
            for each in tuple(self._unwritten):
                self._append(each, self._unwritten[each])
                del self._unwritten[each]
            if self._dead > SLACK:
                self._compact()
        except OSError as error:
            if not self._failing:
                log.error("the journal cannot be written: a crash now would lose calls", error=type(error).__name__)
            self._failing = True
            return
        if self._failing:
            log.info("the journal is written again")
        self._failing = False

    def _append(self, call: str, entry: bytes) -> None:
        if os.pwrite(self._file, entry, self._end) != len(entry):  # crash point: a torn entry is the last, and unread
            os.ftruncate(self._file, self._end)
            raise OSError("the disk took a part")
        self._note(call, self._end, len(entry))
        self._end += len(entry)

    def _note(self, call: str, place: int, length: int) -> None:
        self._dead += self._live.pop(call, (0, 0))[1]
        if length > HEAD.size + len(call.encode()):
            self._live[call] = (place, length)
        else:
            self._dead += length

    def _compact(self) -> None:
        """Write what counts into a new file and put it in the old one's place."""
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as file:
            file.write(MAGIC)
            for place, length in self._live.values():
                file.write(os.pread(self._file, length, place))
        os.replace(fresh, self._path)  # crash point: the one file or the other, each whole
        os.close(self._file)
        self._file = _open(self._path)
        self._end = self._index()

    def _index(self) -> int:
        """Find what counts; the place where the next entry goes. What follows a torn entry is cut off."""
        self._live.clear()
        self._dead = 0
        end = len(MAGIC)
        for call, place, length in _entries(_read(self._file)):
            self._note(call, place, length)
            end = place + length
        os.ftruncate(self._file, end)
        return end

    def load(self) -> dict[str, dict[str, Any]]:
        """Every call that was under way. Records of an earlier boot cannot be opened: they are dropped, and counted."""
        records: dict[str, dict[str, Any]] = {}
        for call, (place, length) in tuple(self._live.items()):
            sealed = os.pread(self._file, length, place)[HEAD.size + len(call.encode()) :]
            try:
                records[call] = marshal.loads(self._open(call, sealed))  # noqa: S302 - only what this boot's key sealed
            except (InvalidTag, ValueError, EOFError, TypeError):  # too short for a nonce; another Python's marshal
                self.forget(call)
                log.info("a journal record of an earlier boot was dropped")
        return records

    def _open(self, call: str, sealed: bytes) -> bytes:
        nonce, body = sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
        return self._aead.decrypt(nonce, body, VERSION + call.encode())

    def close(self) -> None:
        os.close(self._file)


def _packed(record: dict[str, Any]) -> bytes:
    """The record as bytes: `marshal`, at a tenth of JSON's time, and nothing but our own seal is ever read with it. It
    takes plain data only; a record with a word from an enumeration goes the longer way."""
    try:
        return marshal.dumps(record)
    except ValueError:
        return marshal.dumps(json.loads(json.dumps(record)))


def calls_in(path: Path) -> list[str]:
    """The ids of the calls that a journal holds now, without its key. Another process may be writing it."""
    file = os.open(path, os.O_RDONLY)
    try:
        newest = {call: length > HEAD.size + len(call.encode()) for call, _, length in _entries(_read(file))}
    finally:
        os.close(file)
    return [call for call, kept in newest.items() if kept]


def _open(path: Path) -> int:
    """The file, made where it is missing; one of another kind is begun anew, for its calls are of another version."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.pread(file, len(MAGIC), 0) != MAGIC:
        os.ftruncate(file, 0)
        os.pwrite(file, MAGIC, 0)
    return file


def _read(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _entry(call: str, sealed: bytes) -> bytes:
    name = call.encode()
    return HEAD.pack(len(name), len(sealed)) + name + sealed


def _entries(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Call, place and length of each whole entry, in order; ends at one that is torn."""
    place = len(MAGIC)
    while place + HEAD.size <= len(data):
        name, sealed = HEAD.unpack_from(data, place)
        length = HEAD.size + name + sealed
        if place + length > len(data):
            return
        start = place + HEAD.size
        yield data[start : start + name].decode(errors="replace"), place, length
        place += length
