"""The record of processing (GDPR 30) and the skeleton of an impact assessment (GDPR 35), made from the schema. Pure.

`python -m quietline.rights.processing > docs/reference/processing.md` makes the page; a test keeps it true. What no
schema can know (names, contacts, the weighing of risks) is left to be filled in, and says so.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from quietline.rights.erasure import KEPT
from quietline.rights.requests import NEEDED
from quietline.vault.reference import table
from quietline.vault.schema import CLASSES, FIELDS, HOUSE_CLASSES, ClassSpec, DataClass

FILL: Final = "(fill in)"
PURPOSES: Final[dict[DataClass, str]] = {
    DataClass.CONTACT: "recognise a caller; reach them about their order",
    DataClass.DELIVERY: "answer about a delivery, change it",
    DataClass.INVOICE: "answer about an order, returns and refunds; keep books",
    DataClass.SERVICE: "carry on where the last call ended",
    DataClass.RECORDING: "settle what was agreed; quality, where the caller agreed",
    DataClass.CONSENT: "show what was agreed to (GDPR 7(1))",
}
HOUSE_PURPOSES: Final = {
    "ledger": "show who looked at what, and why",
    "staff": "accounts, shifts, rights of access",
    "staff-training": "show that only trained people look",
}
MEASURES: Final = (
    "Every value sealed on its own, a data key for each controller, customer and class, wrapped by a key service.",
    "Every leg of a call encrypted; agents see a masked identity.",
    "A look is decided by policy for a reason, on a live call, and written down before it is shown.",
    "An append-only ledger with proofs that anybody can verify offline.",
    "Erasure destroys keys and index rows; a restore replays erasures before it serves.",
)
RISKS: Final = (
    ("an agent looks without need", "reasons, live-call grants, ceilings, ledger, canary customers"),
    ("a copied disk or backup", "sealed values, keys in a database of their own, short backup life"),
    ("a caller who pretends to be the customer", "assurance 0 to 3; nothing opens by number alone but the order"),
    ("data kept too long", "retention by class, run on schedule, in the ledger"),
    ("a request answered to the wrong person", "levels of identification; the file is encrypted to the requester"),
    ("somebody erases to cover tracks", "cooling period, daily cap, two people for bulk, legal hold, signed receipt"),
    ("a photograph of the screen, an agent's memory", "no code prevents it: training, the minimum on screen"),
)


def record() -> dict[str, Any]:
    """Article 30(1) (a) to (g), one activity a class."""
    return {
        "controller": FILL,
        "representative": FILL,
        "data_protection_officer": FILL,
        "activities": [_activity(each) for each in DataClass] + [_house(name) for name in HOUSE_CLASSES],
        "recipients": "agents of the store concerned; carriers (signalling only); those on the list of recipients",
        "third_countries": f"none by Quietline itself; carriers and gateways: {FILL}",
        "measures": list(MEASURES),
    }


def _activity(data_class: DataClass) -> dict[str, Any]:
    fields = [spec for spec in FIELDS.values() if spec.data_class is data_class]
    return {
        "class": data_class.value,
        "purpose": PURPOSES[data_class],
        "subjects": "customers and callers",
        "data": [spec.name for spec in fields],
        "search": [spec.name for spec in fields if spec.indexed],
        "erased_on_request": data_class not in KEPT,
        **_kept(CLASSES[data_class]),
    }


def _house(name: str) -> dict[str, Any]:
    subjects = "customers and staff, by token" if name == "ledger" else "staff"
    rest = {"data": [], "search": [], "erased_on_request": name == "ledger"}
    return {"class": name, "purpose": HOUSE_PURPOSES[name], "subjects": subjects, **rest, **_kept(HOUSE_CLASSES[name])}


def _kept(spec: ClassSpec) -> dict[str, Any]:
    return {"basis": spec.basis, "kept": spec.kept, "days": spec.days, "since": spec.since.value, "source": spec.source}


def record_markdown() -> str:
    """The record as a page."""
    made = record()
    lines = ["## Record of processing activities (GDPR 30)", ""]
    for title, key in (("Controller", "controller"), ("Representative", "representative")):
        lines.append(f"- {title}, name and contact: {made[key]}")
    lines.append(f"- Data protection officer: {made['data_protection_officer']}")
    lines += [f"- Recipients: {made['recipients']}", f"- Third countries: {made['third_countries']}", ""]
    lines.append(_activities(made["activities"]))
    return "\n".join([*lines, "Measures (GDPR 32):", "", *(f"- {each}" for each in made["measures"]), ""])


def _activities(activities: list[dict[str, Any]]) -> str:
    head = ("class", "purpose", "whose", "data", "basis (GDPR 6)", "kept", "source", "erased on request")
    return table(
        head,
        (
            (
                each["class"],
                each["purpose"],
                each["subjects"],
                ", ".join(f"`{name}`" for name in each["data"]) or "see the classes of staff and ledger",
                each["basis"],
                each["kept"],
                each["source"],
                "yes" if each["erased_on_request"] else "no: kept by law",
            )
            for each in activities
        ),
    )


def assessment() -> dict[str, Any]:
    """Article 35(7) (a) to (d), with what the schema knows filled in."""
    searched = [spec.name for spec in FIELDS.values() if spec.indexed]
    return {
        "operations": {each.value: PURPOSES[each] for each in DataClass},
        "necessity": {each.value: CLASSES[each].basis for each in DataClass},
        "proportionality": {
            "fields": len(FIELDS),
            "searched_by": searched,
            "opened_at_assurance": {spec.name: spec.assurance for spec in FIELDS.values()},
            "identification_needed": {right.value: level for right, level in NEEDED.items()},
        },
        "risks": [
            {"risk": risk, "measures": measures, "likelihood": FILL, "severity": FILL} for risk, measures in RISKS
        ],
        "views_of_customers_or_staff": FILL,  # 35(9)
        "advice_of_the_officer": FILL,  # 35(2)
        "review": FILL,  # 35(11)
    }


def assessment_markdown() -> str:
    """The skeleton as a page."""
    made = assessment()
    lines = [
        "## Impact assessment (GDPR 35), a skeleton",
        "",
        "### Operations, purposes, necessity (35(7)(a), (b))",
        "",
    ]
    lines.append(table(("class", "purpose", "basis"), _rows(made)))
    found = made["proportionality"]
    lines.append(f"{found['fields']} fields; a search is possible by: {', '.join(found['searched_by'])}.")
    levels = ", ".join(f"{right} {level}" for right, level in found["identification_needed"].items())
    lines += [f"Identification needed (level): {levels}.", "", "### Risks and measures (35(7)(c), (d))", ""]
    head = ("risk", "measures", "likelihood", "severity")
    lines.append(table(head, (tuple(each[name] for name in head) for each in made["risks"])))
    for title, key in (
        ("Views of customers or staff (35(9))", "views_of_customers_or_staff"),
        ("Advice of the data protection officer (35(2))", "advice_of_the_officer"),
        ("Next review (35(11))", "review"),
    ):
        lines.append(f"- {title}: {made[key]}")
    return "\n".join(lines) + "\n"


def _rows(made: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(name, purpose, made["necessity"][name]) for name, purpose in made["operations"].items()]


def page() -> str:
    """docs/reference/processing.md."""
    head = (
        "# Record of processing and impact assessment\n\n"
        "Made from `src/quietline/vault/schema.py` by `python -m quietline.rights.processing`; a test keeps it true. "
        "`quietline right record` and\n`quietline right assessment` print the same, and JSON with `--json`.\n\n"
    )
    return head + record_markdown() + "\n" + assessment_markdown()


if __name__ == "__main__":
    sys.stdout.write(page())
