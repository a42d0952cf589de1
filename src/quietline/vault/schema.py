"""Every field of a customer that Quietline keeps: its data class, and how it looks while closed.

The data class decides the key (one per controller × customer × class), the retention and the certificate an agent
needs. `docs/reference/` and the record of processing (GDPR 30) are generated from here.
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


FIELDS: dict[str, FieldSpec] = {
    spec.name: spec
    for spec in (
        FieldSpec("order.reference", "Order", DataClass.INVOICE, 1, indexed=True),
        FieldSpec("order.status", "Status", DataClass.INVOICE, 1),
        FieldSpec("order.items", "Items", DataClass.INVOICE, 1),
        FieldSpec("order.total", "Total", DataClass.INVOICE, 2),
        FieldSpec("contact.name", "Name", DataClass.CONTACT, 2),
        FieldSpec("contact.phone", "Phone", DataClass.CONTACT, 2, indexed=True),
        FieldSpec("contact.email", "E-mail", DataClass.CONTACT, 2, indexed=True),
        FieldSpec("delivery.address", "Delivery address", DataClass.DELIVERY, 2),
        FieldSpec("service.note", "Last note", DataClass.SERVICE, 2),
    )
}

# The minimum the card shows without being asked, from assurance 1 on.
MINIMUM = ("order.reference", "order.status", "order.items")


@dataclass(frozen=True, slots=True)
class ClassSpec:
    """One retention class: the legal basis (GDPR 6) and how long it is kept."""

    basis: str
    kept: str


CLASSES: dict[DataClass, ClassSpec] = {
    DataClass.CONTACT: ClassSpec("contract, legitimate interest", "while a customer"),
    DataClass.DELIVERY: ClassSpec("contract", "order and claims period"),
    DataClass.INVOICE: ClassSpec("contract; law (GDPR 17(3)(b))", "statutory period"),
    DataClass.SERVICE: ClassSpec("legitimate interest", "24 months"),
}
