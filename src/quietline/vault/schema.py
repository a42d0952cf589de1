"""Every field of a customer that Quietline keeps: its data class, and how it looks while closed.

The data class decides the key (one per controller × customer × class), the retention and the certificate an agent
needs. `docs/reference/` and the record of processing (GDPR 30) are generated from here. Fields of a house's own stand
in its configuration and are added by `catalogue` (custom.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DataClass(StrEnum):
    """Retention classes of `privacy.md`; also the classes that training certificates name."""

    CONTACT = "contact"
    DELIVERY = "delivery"
    INVOICE = "invoice"  # orders and invoices, kept by law (GDPR 17(3)(b))
    SERVICE = "service"  # notes and tickets
    RECORDING = "recording"  # the key of each recording
    CONSENT = "consent"  # what was agreed to, with the wording heard


class Reason(StrEnum):
    """Why an agent looks: closed, chosen on the page, an input of policy."""

    ORDER_STATUS = "order_status"
    DELIVERY_CHANGE = "delivery_change"
    RETURN_REFUND = "return_refund"
    PRODUCT_ADVICE = "product_advice"
    COMPLAINT = "complaint"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field. `assurance` is the least at which policy may open it (product.md, promise 6)."""

    name: str
    label: str
    data_class: DataClass
    assurance: int
    indexed: bool = False  # a keyed blind index exists for it
    free_text: bool = False  # written by people: a payment card number in it is refused
    reasons: tuple[Reason, ...] = ()  # for which a house's own field may be asked; the shipped ones': policies/


FIELDS: dict[str, FieldSpec] = {
    spec.name: spec
    for spec in (
        FieldSpec("order.reference", "Order", DataClass.INVOICE, 1, indexed=True),
        FieldSpec("order.status", "Status", DataClass.INVOICE, 1),
        FieldSpec("order.items", "Items", DataClass.INVOICE, 1, free_text=True),
        FieldSpec("order.total", "Total", DataClass.INVOICE, 2),
        FieldSpec("order.placed", "Placed on", DataClass.INVOICE, 2),
        FieldSpec("invoice.number", "Invoice", DataClass.INVOICE, 2),
        FieldSpec("invoice.date", "Invoice date", DataClass.INVOICE, 2),
        FieldSpec("invoice.total", "Invoice total", DataClass.INVOICE, 2),
        FieldSpec("contact.name", "Name", DataClass.CONTACT, 2, free_text=True),
        FieldSpec("contact.phone", "Phone", DataClass.CONTACT, 2, indexed=True),
        FieldSpec("contact.email", "E-mail", DataClass.CONTACT, 2, indexed=True),
        FieldSpec("contact.loyalty", "Loyalty number", DataClass.CONTACT, 2, indexed=True),
        FieldSpec("contact.address", "Billing address", DataClass.CONTACT, 2, free_text=True),
        FieldSpec("contact.language", "Language", DataClass.CONTACT, 2),
        FieldSpec("delivery.address", "Delivery address", DataClass.DELIVERY, 2, free_text=True),
        FieldSpec("delivery.instructions", "Delivery instructions", DataClass.DELIVERY, 2, free_text=True),
        FieldSpec("service.note", "Last note", DataClass.SERVICE, 2, free_text=True),
        FieldSpec("ticket.subject", "Last ticket", DataClass.SERVICE, 2, free_text=True),
        FieldSpec("ticket.text", "Ticket text", DataClass.SERVICE, 2, free_text=True),
        FieldSpec("ticket.status", "Ticket status", DataClass.SERVICE, 2),
        FieldSpec("recording.key", "Recording's key", DataClass.RECORDING, 3),
        FieldSpec("recording.seconds", "Recording's length", DataClass.RECORDING, 3),
        FieldSpec("consent.purpose", "Consent: what for", DataClass.CONSENT, 2),
        FieldSpec("consent.choice", "Consent: given or refused", DataClass.CONSENT, 2),
        FieldSpec("consent.wording", "Consent: the wording heard", DataClass.CONSENT, 2),
        FieldSpec("consent.heard", "Consent: when", DataClass.CONSENT, 2),
    )
}

# The minimum the card shows without being asked, from assurance 1 on.
MINIMUM = ("order.reference", "order.status", "order.items")


class Since(StrEnum):
    """From when a class's time counts."""

    RECORD = "record"  # the day on the record: when it was written, for an order when it was placed
    LAST_ACTIVITY = "last activity"  # the latest day on any record of the customer
    SERVICE_END = "service end"  # a staff account's last day


@dataclass(frozen=True, slots=True)
class ClassSpec:
    """One retention class: the legal basis (GDPR 6) and how long it is kept, in words and in days."""

    basis: str
    kept: str
    days: int
    since: Since
    source: str  # where the number comes from; a house with other law sets its own


CLASSES: dict[DataClass, ClassSpec] = {
    DataClass.CONTACT: ClassSpec(
        "contract, legitimate interest",
        "while a customer: 3 years after the last order, note or call kept",
        1_096,
        Since.LAST_ACTIVITY,
        "CNIL, référentiel gestion commerciale: 3 years after the last contact",
    ),
    DataClass.DELIVERY: ClassSpec(
        "contract", "order and claims period: 2 years", 731, Since.LAST_ACTIVITY, "Directive (EU) 2019/771 art. 10"
    ),
    DataClass.INVOICE: ClassSpec(
        "contract; law (GDPR 17(3)(b))", "statutory period: 6 years", 2_192, Since.RECORD, "HMRC VAT Notice 700/21 §2.4"
    ),
    DataClass.SERVICE: ClassSpec("legitimate interest", "24 months", 731, Since.RECORD, "our own: privacy model"),
    DataClass.RECORDING: ClassSpec("consent", "90 days", 90, Since.RECORD, "our own: privacy model"),
    DataClass.CONSENT: ClassSpec(
        "legal obligation",
        "as long as relied on, and claims: 6 years after the last activity",
        2_192,
        Since.LAST_ACTIVITY,
        "GDPR 7(1); Limitation Act 1980 s. 5",
    ),
}

# What is no customer's: the same questions, answered for the record of processing.
HOUSE_CLASSES: dict[str, ClassSpec] = {
    "ledger": ClassSpec("legitimate interest", "13 months", 396, Since.RECORD, "our own: privacy model"),
    "staff": ClassSpec("contract", "employment and 6 months", 183, Since.SERVICE_END, "our own: privacy model"),
    "staff-training": ClassSpec(
        "legal obligation, legitimate interest", "24 months", 731, Since.RECORD, "our own: privacy model"
    ),
}
