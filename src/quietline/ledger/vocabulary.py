"""The closed vocabulary of the ledger: what may be written, and with which fields. Nothing personal is a field."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What happened. An entry's fields are tokens, closed words, counts and times."""

    CALL_ARRIVED = "call.arrived"
    CALL_MATCHED = "call.matched"
    CALL_QUEUED = "call.queued"
    CALL_OFFERED = "call.offered"
    CALL_DECLINED = "call.declined"
    CALL_CONNECTED = "call.connected"
    CALL_ENDED = "call.ended"
    LOOK_ALLOWED = "look.allowed"
    LOOK_REFUSED = "look.refused"
    GRANT_OPENED = "grant.opened"
    GRANT_CLOSED = "grant.closed"
    CODE_SENT = "code.sent"
    CODE_PASSED = "code.passed"
    CODE_FAILED = "code.failed"
    SIGNED_IN = "session.opened"
    SIGN_IN_REFUSED = "session.refused"
    SIGNED_OUT = "session.closed"
    PHONE_ISSUED = "phone.issued"
    PHONE_REVOKED = "phone.revoked"
    TRUNK_ISSUED = "trunk.issued"
    TRUNK_REVOKED = "trunk.revoked"
    STAFF_CHANGED = "staff.changed"
    CERTIFICATE_SET = "certificate.set"
    POLICY_LOADED = "policy.loaded"
    CONFIG_LOADED = "config.loaded"
    KEY_CHANGED = "key.changed"
    RECORDS_IMPORTED = "records.imported"
    NOTE_WRITTEN = "note.written"
    TAMPER_FOUND = "tamper.found"
    FAULT = "fault"
