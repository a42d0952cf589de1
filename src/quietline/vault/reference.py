"""`docs/reference/data.md`, made from the schema: `python -m quietline.vault.reference > docs/reference/data.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from quietline.config import Controller
from quietline.vault.blind_index import CUSTOMER_KEY, ORDER_RECORD
from quietline.vault.schema import CLASSES, FIELDS, MINIMUM, DataClass

HEAD = """\
# What Quietline keeps, and under which key

Made from `src/quietline/vault/schema.py` by `python -m quietline.vault.reference`; a test keeps it true. Change the
schema, not this page.

Every value is sealed on its own with AES-256-GCM under a data key of its controller × customer × retention class. The
data keys are wrapped by the key-encryption key of the key service. Once a data key is destroyed, no copy of that class
of that customer opens any more; a backup of `keys.db` keeps the key until that backup expires. The times below are the
policy; what is past them goes by itself, every `vault.retention_seconds`, unless a legal hold keeps it.
"""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *[list(row) for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def fields() -> str:
    """One row a field of a customer."""
    return table(
        ("field", "on the page", "class", "opens from assurance", "shown unasked", "index"),
        (
            (
                f"`{spec.name}`",
                spec.label,
                spec.data_class.value,
                str(spec.assurance),
                "yes" if spec.name in MINIMUM else "no",
                "keyed" if spec.indexed else "none",
            )
            for spec in FIELDS.values()
        ),
    )


def classes() -> str:
    """One row a retention class."""
    return table(
        ("class", "basis (GDPR 6)", "kept", "days", "from", "where the time comes from", "fields"),
        (
            (
                each.value,
                spec.basis,
                spec.kept,
                str(spec.days),
                spec.since.value,
                spec.source,
                ", ".join(f"`{name}`" for name in _names(each)),
            )
            for each, spec in CLASSES.items()
        ),
    )


def files() -> str:
    """One row a file below `state/vault`."""
    rows = (
        (
            "`kms.json`",
            "the key-encryption key",
            "under the passphrase (argon2id)",
            "nothing, but it can be guessed at",
        ),
        (
            "`keys.db`",
            "data and index keys; blind-index rows",
            "wrapped by the KEK; HMAC",
            "how many customers there are",
        ),
        (
            "`records.db`",
            "customers, orders, notes; phones, live legs, numbers to ring back",
            "under data keys",
            "counts and lengths",
        ),
        ("`staff.db`", "accounts, certificates, sessions", "names sealed, logins keyed", "roles, stores, times"),
        ("`grants.db`", "grants of live calls", "tokens and times only", "which tokens met, and when"),
        ("`ledger.db`", "what happened", "bodies under their subject's key", "how much happened, under which tokens"),
    )
    return table(("file", "holds", "how", "a stolen copy tells"), rows)


def reports() -> str:
    """What the controller keeps beside the vault, for reports."""
    rows = (
        (
            "visits: queue, store, times, outcome",
            "service level, staffing (GDPR 6: legitimate interest)",
            "a token of its own for each call, kept nowhere else",
        ),
        (
            "agents' states: from when to when",
            "occupancy, rosters (GDPR 6: legitimate interest; employer)",
            "a token made of the agent's with `history.key`, which is root's",
        ),
    )
    days = f"`controller.history_days` ({Controller().history_days:g} days), then deleted every hour"
    return table(("in `state/controller/history.db`", "purpose", "whose", "kept"), ((*row, days) for row in rows))


HISTORY = """\
No number, name, customer or note is in it, and no token of the ledger's or the desk's: tokens of its own, and times, in
the clear. Who has this file and the opened ledger can match a quiet hour's calls by their times, and who has
`history.key` as well can say whose rows an agent's are. `quietline report` reads it, as root; the desk cannot.
"""


def page() -> str:
    """The whole page."""
    others = (
        f"Further keyed indexes: `{CUSTOMER_KEY}` (the shop system's key), `{ORDER_RECORD}`, `staff.login`.\n\n"
        "Fields of your own stand in `[[field]]` of the [configuration](configuration.md#field).\n"
    )
    parts = (HEAD, "## Fields\n", fields(), others, "## Retention classes\n", classes(), "## Files\n", files())
    return "\n".join([*parts, "## For reports\n", reports(), HISTORY])


def _names(data_class: DataClass) -> list[str]:
    return [spec.name for spec in FIELDS.values() if spec.data_class is data_class]


if __name__ == "__main__":
    sys.stdout.write(page())
