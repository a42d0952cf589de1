"""A fictional retail chain, the same for the same seed: three stores and a hub, customers, orders, staff.

Nobody in it exists. Numbers come from the ranges kept free for drama (Ofcom: 020 7946 0xxx, 01632 960xxx,
07700 900xxx; North America: 555-0100 to 555-0199), e-mail from example.com and example.org (RFC 2606), addresses from
towns that are on no map with postcodes whose areas do not exist (no British postcode area starts with Q, V or X).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from quietline.testing.sample_words import (
    AMERICAN_AREAS,
    FIRST_NAMES,
    GOODS,
    LAST_NAMES,
    NOTES,
    STATUSES,
    STREETS,
    TOWNS,
)

STORES = ("north", "harbour", "mill")
HUB = "hub"
ORDER_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # none that look alike
STORE_LINES = 200  # 020 7946 0000–0199 are the chain's own


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `total` is in pounds with pence, as it prints."""

    reference: str
    status: str
    items: str
    total: str
    store: str

    def as_import(self) -> dict[str, str]:
        """As the vault's importer reads it (the store is in no field of the vault)."""
        return {
            "order.reference": self.reference,
            "order.status": self.status,
            "order.items": self.items,
            "order.total": self.total,
        }


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer. `fields` has names of `vault/schema.py`; `orders` has the oldest first."""

    key: str
    controller: str
    fields: dict[str, str] = field(repr=False)
    orders: tuple[Order, ...] = field(repr=False)
    note: str = field(default="", repr=False)

    @property
    def phone(self) -> str:
        """E.164."""
        return self.fields["contact.phone"]

    def as_import(self) -> dict[str, object]:
        """As the vault's importer reads it; a note is no import, an agent writes it."""
        orders = [order.as_import() for order in self.orders]
        return {"key": self.key, "controller": self.controller, "fields": self.fields, "orders": orders}


@dataclass(frozen=True, slots=True)
class Staff:
    """One person. `skills`: with levels, as `quietline.skills` reads them.

    `certificates` maps a data class to days until expiry; a negative number has lapsed.
    """

    login: str
    name: str
    role: str
    store: str
    skills: tuple[str, ...]
    certificates: dict[str, float]
    languages: tuple[str, ...] = ("en",)

    def as_skills(self) -> list[str]:
        """Skills and languages, as `staff add` takes them: "orders:4", "lang:fr"."""
        return [*self.skills, *(f"lang:{language}" for language in self.languages)]


@dataclass(frozen=True, slots=True)
class Chain:
    """The whole fiction."""

    customers: tuple[Customer, ...]
    staff: tuple[Staff, ...]

    def lapsed(self) -> Staff:
        """The one agent whose certificates have all lapsed."""
        return next(person for person in self.staff if all(days < 0 for days in person.certificates.values()))


_CURRENT = dict.fromkeys(("contact", "delivery", "invoice", "service", "recording", "consent"), 300.0)
_LAPSED = dict.fromkeys(_CURRENT, -3.0)

STAFF = (
    Staff("mia", "Mia Thornfold", "agent", HUB, ("orders:5", "returns:3", "advice:4"), _CURRENT, ("en:5", "fr:4")),
    Staff("noor", "Noor Ashgrove", "agent", HUB, ("orders:4", "returns:5"), _CURRENT, ("en:4", "ar:5")),
    Staff("tomos", "Tomos Pellbrook", "agent", "north", ("orders:3", "advice:2"), _CURRENT, ("en:5", "cy:5")),
    Staff("wren", "Wren Castlemoor", "agent", "harbour", ("orders:2",), {"invoice": 40.0, "contact": 40.0}),
    Staff("ivo", "Ivo Larkmere", "agent", "mill", ("returns:4", "advice:5"), _CURRENT, ("en:4", "pl:5")),
    Staff("bea", "Bea Sallowfield", "agent", HUB, ("orders:4", "returns:4"), _LAPSED),
)


def sample_chain(seed: int = 2026, customers: int = 200) -> Chain:
    """The same chain for the same seed. Raises ValueError for more customers than reserved numbers (a few hundred)."""
    if not 0 < customers <= 800:
        raise ValueError("sample: 1 to 800 customers")
    random = Random(seed)  # noqa: S311  # a fiction, not a secret
    numbers = _numbers(random, customers)
    references: set[str] = set()
    people = (_customer(random, place, number, references) for place, number in enumerate(numbers, start=1))
    return Chain(tuple(people), STAFF)


def _numbers(random: Random, count: int) -> list[str]:
    """Distinct E.164 numbers: mostly mobiles, some landlines, some abroad. A number given out is never given again."""
    ranges = {
        "mobile": [f"+447700900{n:03d}" for n in range(1000)],
        "london": [f"+44207946{n:04d}" for n in range(STORE_LINES, 1000)],
        "landline": [f"+441632960{n:03d}" for n in range(1000)],
        "american": [f"+1{area}55501{n:02d}" for area in AMERICAN_AREAS for n in range(100)],
    }
    for numbers in ranges.values():
        random.shuffle(numbers)
    kinds = random.choices(list(ranges), weights=(65, 13, 17, 5), k=count)
    return [ranges[kind].pop() for kind in kinds]


def _customer(random: Random, place: int, number: str, references: set[str]) -> Customer:
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    fields = {
        "contact.name": f"{first} {last}",
        "contact.phone": number,
        "contact.email": f"{first}.{last}{place}@{random.choice(('example.com', 'example.org'))}".lower(),
        "delivery.address": _address(random),
    }
    orders = tuple(_order(random, references) for _ in range(random.randint(1, 4)))
    note = random.choice(NOTES) if random.random() < 0.2 else ""
    return Customer(f"C-{10_000 + place}", "brand", fields, orders, note)


def _address(random: Random) -> str:
    town, area = random.choice(TOWNS)
    inward = f"{random.randint(1, 9)}{''.join(random.choices('ABDEFGHJLNPQRSTUWXYZ', k=2))}"
    return f"{random.randint(1, 140)} {random.choice(STREETS)}, {town} {area}{random.randint(1, 19)} {inward}"


def _order(random: Random, references: set[str]) -> Order:
    chosen = random.sample(GOODS, k=random.randint(1, 3))
    counts = [random.choice((1, 1, 1, 2)) for _ in chosen]
    pence = sum(price * count for (_, price), count in zip(chosen, counts, strict=True))
    return Order(
        reference=_reference(random, references),
        status=random.choice(STATUSES),
        items="\n".join(f"{goods} ×{count}" for (goods, _), count in zip(chosen, counts, strict=True)),
        total=f"£{pence // 100}.{pence % 100:02d}",
        store=random.choice((*STORES, HUB)),
    )


def _reference(random: Random, references: set[str]) -> str:
    while True:
        reference = f"HB-{''.join(random.choices(ORDER_ALPHABET, k=4))}-{random.randint(10_000, 99_999)}"
        if reference not in references:
            references.add(reference)
            return reference
