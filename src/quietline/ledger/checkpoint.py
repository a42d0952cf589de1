"""Checkpoints (C2SP tlog-checkpoint) as signed notes (C2SP signed-note) with Ed25519 (RFC 8032)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from quietline.errors import ConfigError, TamperError
from quietline.ledger.merkle import HASH_BYTES

ED25519, COSIGNATURE = b"\x01", b"\x04"  # signed-note, "Signature types"
KINDS = {ED25519: "a log (Ed25519, type 0x01)", COSIGNATURE: "a witness (cosignature, type 0x04)"}
MAX_NOTE_BYTES = 65_536  # signed-note: verifiers should limit a note's size and accept at least 16 signatures
_DASH = "— "
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NAME = re.compile(r"[^\s+]+")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: whose log, how many entries, their root hash (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note text: origin, size, root, each on a line."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Raises TamperError unless the text is exactly a checkpoint; extension lines are refused, we write none."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise TamperError("checkpoint: not the three lines origin, size, root")
        if not _SIZE.fullmatch(lines[1]):
            raise TamperError("checkpoint: line 2 is not a tree size")
        root = _unbase64(lines[2])
        if len(root) != HASH_BYTES:
            raise TamperError("checkpoint: line 3 is not a SHA-256 root hash in base64")
        return cls(lines[0], int(lines[1]), root)


def key_id(name: str, public: bytes, kind: bytes = ED25519) -> bytes:
    """SHA-256(name ‖ 0x0A ‖ kind ‖ public key)[:4], signed-note "Signature types"."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:4]


def verifier_key(name: str, public: bytes, kind: bytes = ED25519) -> str:
    """`<name>+<key id, hex>+<base64(kind ‖ public key)>`, as Go's sumdb/note writes it."""
    return f"{name}+{key_id(name, public, kind).hex()}+{base64.b64encode(kind + public).decode()}"


def check_name(name: str) -> str:
    """The name of a key. Raises ConfigError for one that no signature line can carry."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"key name: {name or 'nothing'}: it is not empty and has no space and no plus sign")
    return name


class NoteSigner:
    """Signs notes under a key name. The key stays in memory and prints as nothing but its name."""

    __slots__ = ("_id", "_key", "name", "public")

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.name = check_name(name)
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self._id = key_id(name, self.public)

    def __repr__(self) -> str:
        return f"NoteSigner({self.name})"

    @property
    def vkey(self) -> str:
        return verifier_key(self.name, self.public)

    def sign(self, text: str) -> bytes:
        """The note: the text, an empty line, one signature line."""
        signature = base64.b64encode(self._id + self._key.sign(text.encode())).decode()
        return f"{text}\n{_DASH}{self.name} {signature}\n".encode()


class NoteVerifier:
    """Opens notes signed by one known key."""

    __slots__ = ("_id", "_public", "name", "vkey")

    def __init__(self, vkey: str) -> None:
        """Raises ConfigError unless `vkey` is a verifier key whose key id is its own."""
        self.vkey = vkey.strip()
        self.name, self._id, public = parse_verifier_key(self.vkey)
        self._public = Ed25519PublicKey.from_public_bytes(public)

    def open(self, note: bytes) -> str:
        """The text of a note. Raises TamperError unless our key signed exactly this text."""
        text, lines = split_note(note)
        ours = [signature for name, signature in lines if (name, signature[:4]) == (self.name, self._id)]
        if not ours:
            raise TamperError(f"checkpoint: no signature by {self.name}+{self._id.hex()}")
        for signature in ours:
            try:
                self._public.verify(signature[4:], text.encode())
            except InvalidSignature:
                raise TamperError(f"checkpoint: the signature by {self.name} does not fit the text") from None
        return text

    def checkpoint(self, note: bytes) -> Checkpoint:
        """The checkpoint in a note. Raises TamperError also when it is of another log."""
        found = Checkpoint.parse(self.open(note))
        if found.origin != self.name:
            raise TamperError(f"checkpoint: of another log than {self.name}")
        return found


def parse_verifier_key(vkey: str, kind: bytes = ED25519) -> tuple[str, bytes, bytes]:
    """Name, key id and public key. Raises ConfigError unless it is a key of this kind whose id is its own."""
    try:
        name, identity, material = vkey.split("+", 2)
        raw = base64.b64decode(material, validate=True)
        known = bytes.fromhex(identity)
    except ValueError:
        raise ConfigError("verifier key: not of the form name+id+base64") from None
    if raw[:1] != kind or len(raw) != 33:
        raise ConfigError(f"verifier key: not a key of {KINDS[kind]}")
    if not _NAME.fullmatch(name) or known != key_id(name, raw[1:], kind):
        raise ConfigError("verifier key: its id does not belong to its name and key; copy it again")
    return name, known, raw[1:]


def split_note(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """Text, and (name, key id and signature) of each signature line (signed-note, "Format"). Raises TamperError."""
    if len(note) > MAX_NOTE_BYTES:
        raise TamperError(f"checkpoint: a note of {len(note)} bytes, at most {MAX_NOTE_BYTES} are read")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise TamperError("checkpoint: not valid UTF-8") from None
    text, blank, signatures = whole.rpartition("\n\n")
    if not blank or not signatures.endswith("\n") or _CONTROL.search(whole):
        raise TamperError("checkpoint: not a signed note (text, empty line, signature lines)")
    return text + "\n", [_signature(line) for line in signatures[:-1].split("\n")]


def _signature(line: str) -> tuple[str, bytes]:
    parts = line.removeprefix(_DASH).split(" ")
    if not line.startswith(_DASH) or len(parts) != 2 or not _NAME.fullmatch(parts[0]):
        raise TamperError("checkpoint: a line below the empty one is not a signature line")
    return parts[0], _unbase64(parts[1])


def _unbase64(text: str) -> bytes:
    """Strict: one spelling for each value, so that no changed character goes unseen."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise TamperError("checkpoint: not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise TamperError("checkpoint: not canonical base64")
    return raw
