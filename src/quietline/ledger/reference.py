"""`docs/reference/ledger.md`, made from the code: `python -m quietline.ledger.reference > docs/reference/ledger.md`.

The words come from `vocabulary.py`, the fields from the places that write them; a test keeps the page true.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import quietline
from quietline.ledger.vocabulary import Kind

HEAD = """\
# What the ledger may say

Made from `src/quietline/ledger/vocabulary.py` and from the places that write entries, by
`python -m quietline.ledger.reference`; a test keeps it true. Change the source, not this page.

The vocabulary is closed. Every entry has a kind, a time (UTC seconds) and a subject (a customer's or an agent's token,
or none); the fields below are tokens, closed words, counts and times. Nothing personal is a field. The body is sealed
under a key of its subject's own; the tree holds a salted commitment to it ([decision 3](../decisions/0003-ledger.md)).
`quietline ledger export` and `quietline ledger verify` need no key, and show no body.
"""

# Fields that reach an entry as `**fields` or in a dictionary made elsewhere (vault/looks.py, ledger/writer.py).
PASSED_ON = {
    "LOOK_ALLOWED": {"action", "field", "fields", "reason"},
    "LOOK_REFUSED": {"field", "reason"},
    "FAULT": {"failures", "refused", "lost"},
}

MEANING = {
    "call.arrived": "A caller reached us: over which trunk, how well encrypted, number withheld or not, which store.",
    "call.matched": "A customer was recognised by the blind index, with this assurance. The subject is the customer.",
    "call.queued": "The caller waits in this queue.",
    "call.offered": "An agent is being rung.",
    "call.declined": "The offer came to nothing: no answer, a decline, a phone that is gone.",
    "call.connected": "Caller and agent are joined.",
    "call.transferred": "The caller was handed to another agent or queue.",
    "call.overflowed": "The caller was sent on to another queue or store, with a closed word why.",
    "call.closed": "The store or queue was closed, so nobody was rung.",
    "call.ended": "The call is over, with a closed word for how.",
    "consent.given": "The caller said yes: to what, in which version of the words, and how.",
    "consent.refused": "The caller said no, or nothing: to what, in which version of the words, and how.",
    "callback.kept": "A caller was promised to be rung back; their number is kept sealed until then.",
    "callback.dialled": "The number was about to be given out for dialling, to the agent who accepted. Durable before.",
    "callback.dropped": "The callback is kept no longer: answered, expired, used up or withdrawn.",
    "look.allowed": "A field was about to be shown. Durable before it was; so it says “was allowed”, not “was seen”.",
    "look.refused": "Something was asked for and refused, with the closed word why.",
    "grant.opened": "The agent may ask for this caller's data while both legs live.",
    "grant.closed": "The grant ended: hang-up, or (`why`) the edge no longer vouches.",
    "code.sent": "A one-time code was about to go to the contact on record. Durable before it was sent.",
    "code.passed": "The caller keyed the right code; the assurance rose to this.",
    "code.failed": "A keyed code was wrong, late or used up.",
    "identity.checked": "A carrier's signature over the caller's number was checked (RFC 8224): A, B, C or why not.",
    "caller.claimed": "The caller told an order or a loyalty number; the agent typed it, and this customer was picked.",
    "call.relayed": "The agent marked the call as made through a relay service.",
    "question.answered": "A question was about to be compared: which field; `right` is written after it.",
    "holder.warned": "A verification failed, and a warning was about to go to the contact on record.",
    "helper.changed": "A customer's helper was about to be named, or ended: for which reasons, until when.",
    "session.opened": "Somebody signed in, in these ways.",
    "session.refused": "A sign-in was refused.",
    "session.closed": "An agent signed out, or (`why`) the session expired or was revoked.",
    "session.stepped-up": "Somebody proved again who they are, in these ways; sensitive acts are open for minutes.",
    "factors.changed": "A passkey, an app or recovery codes were added, removed, renewed or reset; durable first.",
    "token.issued": "An API token was about to be given out, with these scopes and this end; its owner is the subject.",
    "token.used": "An API token was used; once an hour at most.",
    "token.revoked": "An API token ended, by hand or (`why`) with its owner's account.",
    "phone.issued": "A SIP credential was made; `lasting` for a phone of the agent's own.",
    "phone.revoked": "A SIP credential was taken back.",
    "trunk.issued": "A carrier's digest password was made.",
    "trunk.revoked": "A carrier's digest password was taken back.",
    "staff.changed": "An account was added, got a new password, or ended. Its row has this entry's hash.",
    "certificate.set": "A certificate was given, renewed or (until 0) taken away. Its row has this entry's hash.",
    "policy.loaded": "The policies of this digest decide from here on: at the start, or in place of those `before`.",
    "policy.refused": "Other policies were to be taken in and were not right; those of this digest stay.",
    "config.loaded": "The vault started with this configuration: SHA-256 of what differs from the defaults.",
    "config.applied": "A chain, or stores shut by hand, were about to be in force: SHA-256 of the file, and counts.",
    "key.changed": "Keys were made, rotated, recovered or, by two people's word, destroyed (`change`).",
    "records.imported": "So many customers were about to be imported, or brought by the shop's connector.",
    "records.compared": "So many customers were compared with what is on record, by a dry run.",
    "note.written": "An agent's note was about to be stored.",
    "right.opened": "A customer's request was opened: which right, how they were identified, to which level.",
    "right.refused": "A request was not opened, or an erasure not carried out, with the closed word why.",
    "right.moved": "Something was about to be done with a request (`act`), or a recipient was told (GDPR 19).",
    "hold.changed": "A legal hold was about to be placed or lifted, or a recipient put on or off the list.",
    "records.corrected": "A value was about to be replaced on its customer's request: which field, never the value.",
    "records.erased": "An erasure was about to be done; `statement` is the SHA-256 of what its receipt says.",
    "look.mistaken": "The agent said that a field was opened by mistake; it was closed on the page at once.",
    "work.changed": "A work grant was asked for, agreed to, or ended (`change`): for whom, which fields, until when.",
    "glass.asked": "Somebody asked for break-glass: kinds of data, minutes, SHA-256 of the written justification.",
    "glass.moved": "A break-glass was approved, refused, ended early or reviewed (`change`).",
    "glass.overdue": "A break-glass was not reviewed in 72 hours: its store has none until it is.",
    "canary.changed": "A canary customer was made or is watched no more; which one stays in the vault.",
    "canary.touched": "Somebody came upon a customer who does not exist (`how`): the subject is that one. An alert.",
    "ceiling.reached": "A ceiling on looks refused, and an alert was raised.",
    "receipt.sent": "A receipt of a call was about to be sent to the contact on record.",
    "receipt.opened": "Somebody with a receipt's link opened it.",
    "retention.run": "Values whose time is over were about to go: counts, by class.",
    "breach.asked": "Somebody asked whom an account saw in a time.",
    "tamper.found": "Stored data did not match what vouches for it; it was not used.",
    "fault": "A part failed or stopped, or entries could not be kept (`lost`, `entries_lost`) or were refused.",
}


def page() -> str:
    """The whole page. A word that nothing writes is said to be reserved."""
    written = _fields()
    rows = [f"| `{kind.value}` | {MEANING.get(kind.value, '')} | {_names(written, kind)} |" for kind in Kind]
    return "\n".join([HEAD, "| kind | meaning | fields |", "| --- | --- | --- |", *rows, ""])


def _names(written: dict[str, set[str]], kind: Kind) -> str:
    if kind.name not in written:
        return "not written yet"
    return ", ".join(f"`{name}`" for name in sorted(written[kind.name]))


def _fields() -> dict[str, set[str]]:
    """Name of the kind -> every field that some place writes with it."""
    found = defaultdict(set, {kind: set(names) for kind, names in PASSED_ON.items()})
    for path in sorted(Path(quietline.__file__).parent.rglob("*.py")):
        if not {"testing", "demo"} & set(path.parts):
            for kind, names in _written(ast.parse(path.read_text(encoding="utf-8"))):
                found[kind] |= names
    return dict(found)


def _written(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """Calls with a kind as their first argument, as the journal and the recorder take it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and (kind := _kind(node.args[0])):
            names = {each.arg for each in node.keywords if each.arg}
            names |= {key.value for arg in node.args for key in _keys(arg) if isinstance(key.value, str)}
            called = ast.unparse(node.func)
            yield kind, names | ({"call", "leg"} if called.endswith("self._record") else set())


def _kind(node: ast.expr) -> str:
    text = ast.unparse(node).removesuffix(".value")
    return text.removeprefix("Kind.") if text.startswith("Kind.") else ""


def _keys(node: ast.expr) -> Iterator[ast.Constant]:
    if isinstance(node, ast.Dict):
        yield from (key for key in node.keys if isinstance(key, ast.Constant))


if __name__ == "__main__":
    sys.stdout.write(page())
