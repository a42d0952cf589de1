"""A witness against logs that try everything: whatever it has signed of a log is one history, that only grows."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from quietline.ledger.checkpoint import Checkpoint, NoteSigner
from quietline.ledger.merkle import consistency_proof, leaf_hash, tree_hash, verify_consistency
from quietline.witness import house
from quietline.witness.core import SIZE_TYPE, Witness
from quietline.witness.cosignature import CosignatureVerifier
from quietline.witness.memory import SqliteMemory
from quietline.witness.request import AddCheckpoint

ORIGINS = ("log.example/north", "log.example/south")
SIGNERS = {
    name: NoteSigner(name, Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n, name in enumerate(ORIGINS)
}
STRANGER = NoteSigner(ORIGINS[0], Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32))


class Branch:
    """One history of a log: its leaves."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = leaves

    def checkpoint(self, origin: str, size: int) -> Checkpoint:
        return Checkpoint(origin, size, tree_hash(self.leaves[:size]))

    def proof(self, old: int, new: int) -> list[bytes]:
        def node(height: int, index: int) -> bytes:
            return tree_hash(self.leaves[index << height : (index + 1) << height])

        return consistency_proof(old, new, node)


class Watched(RuleBasedStateMachine):
    """Two logs with keys of their own, each with two histories that part at entry 3; and one witness."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="quietline-witness-"))
        self.cosigner = house.create(self.folder / "w", "witness.example/w1")
        for signer in SIGNERS.values():
            house.trust(self.folder / "w", signer.vkey)
        self.branches = {origin: [self.branch(b"a"), self.branch(b"b")] for origin in ORIGINS}
        self.signed: dict[str, list[Checkpoint]] = {origin: [] for origin in ORIGINS}
        self.clock, self.contradictions = 1_000, 0
        self.memory: SqliteMemory
        self.witness: Witness
        self.open()

    def branch(self, letter: bytes) -> Branch:
        return Branch([leaf_hash(b"%d" % n + (letter if n >= 3 else b"")) for n in range(12)])

    def open(self) -> None:
        self.witness, self.memory = house.open_witness(self.folder / "w", lambda: self.clock)

    @rule()
    def restart(self) -> None:
        """Killed and started again: what it has signed is remembered."""
        self.memory.close()
        self.open()

    @rule(
        origin=st.sampled_from(ORIGINS), branch=st.integers(0, 1), size=st.integers(0, 12), lie=st.sampled_from(
            ["", "", "", "old", "proof", "key"]
        ), data=st.data(),
    )  # fmt: skip
    def ask(self, origin: str, branch: int, size: int, lie: str, data: st.DataObject) -> None:
        """A checkpoint of either history, the size that was seen or another, a proof or none, its key or not."""
        seen = self.signed[origin][-1].size if self.signed[origin] else 0
        old = data.draw(st.integers(0, 12)) if lie == "old" else seen
        history = self.branches[origin][branch]
        proof = history.proof(old, size) if old <= size and lie != "proof" else [bytes(32)]
        signer = STRANGER if lie == "key" else SIGNERS[origin]
        note = signer.sign(history.checkpoint(origin, size).text())
        self.clock += 1
        self.judge(origin, history.checkpoint(origin, size), old, seen, AddCheckpoint(old, tuple(proof), note), lie)

    def judge(self, origin: str, now: Checkpoint, old: int, seen: int, request: AddCheckpoint, lie: str) -> None:
        answer = self.witness.add_checkpoint(request.encode())
        if answer.status == 200:
            word = CosignatureVerifier(self.cosigner.vkey).seen(request.note + answer.body.encode())
            assert word is not None
            assert word.time == self.clock
            self.signed[origin].append(now)
        elif lie == "key":
            assert answer.status == 403
        elif old > now.size:
            assert answer.status == 400
        elif old != seen:
            assert (answer.status, answer.body, answer.type) == (409, f"{seen}\n", SIZE_TYPE)
        else:
            assert answer.status in (409, 422)

    @rule(origin=st.sampled_from(ORIGINS))
    def an_honest_log_is_never_refused(self, origin: str) -> None:
        signed = self.signed[origin]
        history = self.branches[origin][0]
        seen = signed[-1].size if signed else 0
        if signed and history.checkpoint(origin, seen) != signed[-1]:
            return  # the witness follows the other history
        note = SIGNERS[origin].sign(history.checkpoint(origin, 12).text())
        answer = self.witness.add_checkpoint(AddCheckpoint(seen, tuple(history.proof(seen, 12)), note).encode())
        assert answer.status == 200
        signed.append(history.checkpoint(origin, 12))

    @invariant()
    def what_was_signed_is_one_history_that_grows(self) -> None:
        for origin, signed in getattr(self, "signed", {}).items():
            for before, after in pairwise(signed):
                held = [each for each in self.branches[origin] if each.checkpoint(origin, after.size) == after]
                proof = held[0].proof(before.size, after.size)
                verify_consistency(before.size, after.size, before.root, after.root, proof)

    def teardown(self) -> None:
        if hasattr(self, "memory"):
            self.memory.close()


TestWatched = Watched.TestCase
TestWatched.settings = settings(max_examples=40, stateful_step_count=20)
