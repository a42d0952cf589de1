"""Both databases of a vault with customers in them, over a real sealed file, for tests of keys.

`python -m quietline.testing.key_shop FOLDER WHAT` rotates there until it is killed: one line "step" a batch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Self

from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault import kms_file
from quietline.vault.blind_index import EMAIL, ORDER, ORDER_RECORD, PHONE, BlindIndex, IndexRow, normalise
from quietline.vault.bodies import body_owner
from quietline.vault.keys import Keyring, open_keys_database
from quietline.vault.records import CUSTOMER, NewRecord, Records, open_records_database
from quietline.vault.records import ORDER as ORDER_KIND
from quietline.vault.rotate_data import DataRotation
from quietline.vault.rotate_index import IndexRotation
from quietline.vault.rotate_kek import KekRotation
from quietline.vault.rotation import DATA, INDEX, KEK, Book, Progress, Rotation

PASS = b"correct horse battery"
TICKET = Ticket("test", "test", SIGNALLING)


def phone_of(number: int) -> str:
    """+44 20 7946 0xxx and, past a thousand, the other reserved London numbers' shape."""
    return f"+442079460{number:03}"


class KeyShop:
    """`add` customers by number; `value` and `find` read as a call does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "kms.json"
        known = path.exists()
        self.kms = kms_file.unseal(path, PASS) if known else kms_file.create(path, PASS, memory_kib=64, passes=1)
        self.keys, self.rows = open_keys_database(folder), open_records_database(folder)
        self.keyring = Keyring(self.keys, self.kms)
        self.index, self.records = BlindIndex(self.keys, self.keyring), Records(self.rows, self.keyring)
        self.book = Book(self.keys)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.keys.close()
        self.rows.close()

    def add(self, numbers: range) -> None:
        """Customers `cu_000`… with a phone, an address, an order."""
        for number in numbers:
            customer, phone = f"cu_{number:03}", phone_of(number)
            fields = {"contact.phone": phone, "contact.email": f"ana{number}@example.com", "delivery.address": "1 Lane"}
            order = {"order.reference": f"QL-{number}", "order.total": "20"}
            made = [
                NewRecord("brand", customer, kind, {name: Sealed(value) for name, value in values.items()})
                for kind, values in ((CUSTOMER, fields), (ORDER_KIND, order))
            ]
            record = self.records.add(made, TICKET)[1]
            self.keyring.make(body_owner(customer))
            reference = normalise(ORDER, order["order.reference"]) or ""
            self.index.replace("brand", customer, [(PHONE, phone), (EMAIL, fields["contact.email"])])
            orders = [IndexRow("brand", customer, ORDER, reference), IndexRow("brand", record, ORDER_RECORD, reference)]
            self.index.write((), orders)

    def value(self, number: int, name: str = "contact.phone") -> str:
        """A field of this customer, opened; "" for none."""
        found = self.records.open(f"cu_{number:03}", name, TICKET)
        return found.open(TICKET) if found else ""

    def find(self, number: int) -> str:
        """Who calls from this customer's number."""
        return self.index.find("brand", PHONE, phone_of(number))

    def rotation(self, what: str, batch: int = 7) -> Rotation:
        """By its name: "kek", "data", "index/<field>"."""
        if what == KEK:
            return KekRotation(self.keys, self.kms, batch)
        if what == DATA:
            return DataRotation(self.keys, self.rows, self.keyring, batch)
        parts = (self.index, self.records)
        return IndexRotation((self.keys, self.rows), self.keyring, parts, what.removeprefix(INDEX), "GB", batch)

    def start(self, what: str) -> Progress:
        if what == KEK:
            self.kms.adopt(kms_file.add_kek(self.folder / "kms.json", PASS))
        return self.rotation(what).start(1_000.0)

    def finish(self, what: str, batch: int = 7) -> Progress:
        """From wherever it is."""
        rotation = self.rotation(what, batch)
        progress = next(each for each in self.book.every() if each.what == what)
        while progress.open:
            progress = rotation.step(progress, 2_000.0)
        return progress


def main(folder: Path, what: str) -> None:
    """A step at a time, each at a word from whoever started it, until it is killed, or over."""
    with KeyShop(folder) as shop:
        rotation = shop.rotation(what)
        progress = next(each for each in shop.book.every() if each.what == what)
        while progress.open:
            progress = rotation.step(progress, 2_000.0)
            sys.stdout.write("step\n")
            sys.stdout.flush()
            sys.stdin.readline()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
