"""The file a customer gets (GDPR 15): everything kept of them, and who looked, as one HTML page and as JSON. Pure.

The two are packed and encrypted to the requester (age, C2SP age) in the vault's memory; no plaintext touches a disk.
Staff stand in it by role and store, never by name; what is somebody else's is taken out (redact.py).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Final

import pyrage

from quietline.errors import ConfigError
from quietline.ledger.vocabulary import Kind
from quietline.rights.breach import classes_of
from quietline.rights.ledger_reader import Placed
from quietline.rights.times import DAY_SECONDS, stamp
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.schema import CLASSES, FIELDS, DataClass, FieldSpec

SECRET_FIELDS: Final = frozenset({"recording.key"})  # opens a recording; it is no statement about anybody
MIN_PASSPHRASE: Final = 12  # characters; age stretches it with scrypt
HTML_NAME, JSON_NAME = "about-you.html", "about-you.json"
SECTIONS: Final = {
    "customer": "Your details",
    "order": "Orders",
    "invoice": "Invoices",
    "note": "Notes",
    "ticket": "Tickets",
    "consent": "Consents",
    "recording": "Recordings",
}
_CALLS: Final = {
    Kind.CALL_MATCHED: "you called, and were recognised by your number",
    Kind.CODE_SENT: "a one-time code was sent to you",
    Kind.CODE_PASSED: "the code was right",
    Kind.CODE_FAILED: "a code was wrong",
    Kind.NOTE_WRITTEN: "a note was written",
    Kind.CONSENT_GIVEN: "you agreed",
    Kind.CONSENT_REFUSED: "you refused",
}
_SEAL: Final = Ticket("vault", "subject-access", SIGNALLING)  # the vault has opened it already, to encrypt it


@dataclass(frozen=True, slots=True)
class Value:
    """One field with what stands in it."""

    name: str
    label: str
    data_class: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Record:
    """One record: `kind` of records.py, `day` UTC days since 1970, 0 for not known."""

    kind: str
    day: int
    values: tuple[Value, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class Look:
    """Who looked: role and store, never who."""

    at: float
    role: str
    store: str
    classes: tuple[str, ...]
    fields: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, repr=False)
class AccessFile:
    """The whole answer. Times: UTC seconds."""

    request: str
    controller: str
    made: float
    records: tuple[Record, ...] = field(repr=False)
    calls: tuple[tuple[float, str], ...]
    looks: tuple[Look, ...]
    recipients: Mapping[str, str]
    withheld: tuple[str, ...] = ()  # kinds of records left out, because others stand in them (GDPR 15(4))

    def as_json(self) -> str:
        """A structured, commonly used, machine-readable form (GDPR 20(1))."""
        records = [{**asdict(each), "day": day_text(each.day)} for each in self.records]
        plain = {
            "request": self.request,
            "controller": self.controller,
            "made": stamp(self.made),
            "records": records,
            "calls": [{"at": stamp(at), "what": what} for at, what in self.calls],
            "who_looked": [{**asdict(each), "at": stamp(each.at)} for each in self.looks],
            "recipients": dict(self.recipients),
            "withheld": list(self.withheld),
            "kept": {each.value: {"basis": CLASSES[each].basis, "kept": CLASSES[each].kept} for each in DataClass},
        }
        return json.dumps(plain, indent=2, ensure_ascii=False)


def day_text(day: int) -> str:
    """ "2026-11-24", "" for not known."""
    return stamp(day * DAY_SECONDS)[:10] if day else ""


def label_of(name: str, fields: Mapping[str, FieldSpec] = FIELDS) -> str:
    """How a field is called on pages."""
    return fields[name].label if name in fields else name


def calls_of(entries: Iterable[Placed]) -> tuple[tuple[float, str], ...]:
    """What the ledger tells of the customer's calls, oldest first."""
    return tuple((each.entry.at, _CALLS[each.entry.kind]) for each in entries if each.entry.kind in _CALLS)


def looks_of(entries: Iterable[Placed], who: Callable[[str], tuple[str, str]]) -> tuple[Look, ...]:
    """Every look at the customer's data. `who`: a staff token's role and store."""
    found = []
    for each in entries:
        if each.entry.kind is not Kind.LOOK_ALLOWED:
            continue
        fields = each.entry.fields or {}
        names = str(fields.get("field", ""))
        role, store = who(str(fields.get("agent", "")))
        reason = str(fields.get("reason", fields.get("action", "")))
        classes = tuple(dict.fromkeys(classes_of(names)))
        found.append(Look(each.entry.at, role, store, classes, tuple(names.split()), reason))
    return tuple(found)


def pack(file: AccessFile) -> bytes:
    """A ZIP archive of the two forms, in memory."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in ((HTML_NAME, as_html(file)), (JSON_NAME, file.as_json())):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return packed.getvalue()


def encryption(recipient: str, passphrase: Sealed[str]) -> Callable[[bytes], bytes]:
    """What encrypts to an age public key ("age1…") or, where that is empty, to a passphrase.

    Raises ConfigError for what is no key, or a passphrase of fewer than 12 characters.
    """
    if recipient:
        try:
            key = pyrage.x25519.Recipient.from_str(recipient.strip())
        except pyrage.RecipientError:
            raise ConfigError("to: an age public key, which begins with age1; without one a passphrase") from None
        return lambda packed: bytes(pyrage.encrypt(packed, [key]))
    word = passphrase.open(_SEAL)
    if len(word) < MIN_PASSPHRASE:
        raise ConfigError(f"passphrase: at least {MIN_PASSPHRASE} characters; tell it by another way than the file")
    return lambda packed: bytes(pyrage.passphrase.encrypt(packed, word))


def as_html(file: AccessFile) -> str:
    """One page that stands on its own: no script, no picture, nothing fetched; prints on paper."""
    parts = [_section(SECTIONS.get(kind, kind), _records(file, kind)) for kind in _kinds(file)]
    parts.append(_section("Calls", _table(("When", "What"), [(stamp(at), what) for at, what in file.calls])))
    looks = [
        (stamp(each.at), each.role, each.store, ", ".join(map(label_of, each.fields)), each.reason)
        for each in file.looks
    ]
    parts.append(_section("Who looked", _table(("When", "Role", "Store", "At what", "Why"), looks)))
    kept = [(each.value, CLASSES[each].basis, CLASSES[each].kept) for each in DataClass]
    parts.append(_section("Why and how long it is kept", _table(("Class", "Basis", "How long"), kept)))
    if file.withheld:
        names = ", ".join(SECTIONS.get(kind, kind) for kind in file.withheld)
        parts.append(_section("Left out", f"<p>{escape(names)}: other people stand in them (GDPR 15(4)).</p>"))
    parts.append(_section("Who else gets it", _table(("Recipient", "What for"), list(file.recipients.items()))))
    return _PAGE.format(
        request=escape(file.request), made=stamp(file.made), controller=escape(file.controller), body="\n".join(parts)
    )


def _kinds(file: AccessFile) -> list[str]:
    present = {each.kind for each in file.records}
    return [kind for kind in SECTIONS if kind in present] + sorted(present - set(SECTIONS))


def _records(file: AccessFile, kind: str) -> str:
    rows = [
        (day_text(record.day), value.label, value.value)
        for record in file.records
        if record.kind == kind
        for value in record.values
    ]
    return _table(("Day", "What", "Value"), rows)


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{body}\n</section>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = ["<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>" for row in rows]
    if not lines:
        return "<p>Nothing.</p>"
    titles = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>\n" + "\n".join(lines) + "\n</tbody></table>"


_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>What we keep about you</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #d0d7de; vertical-align: top }}
@media print {{ section {{ break-inside: avoid }} body {{ margin: 0; font-size: 10pt }} }}
</style></head><body>
<h1>What we keep about you</h1>
<p>Request {request}, answered {made} (UTC) for the data controller “{controller}”.</p>
{body}
<section><h2>What you can do</h2>
<p>You can have it corrected, erased or restricted, object to its use, and complain to your supervisory authority (GDPR
15(1)(e) and (f)). No decision about you is made by a machine alone. People who work for us stand here by role and
store, not by name; what concerns other people was taken out (GDPR 15(4)).</p></section>
</body></html>
"""
