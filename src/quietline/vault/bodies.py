"""Ledger bodies, sealed outside the tree under the subject's own key: erasing it erases them and breaks no proof.

See `ledger.ports.BodySealer`.
"""

from __future__ import annotations

from quietline.vault.envelope import Place
from quietline.vault.keys import Keyring, Owner

DATA_CLASS = "ledger"


def body_owner(subject: str) -> Owner:
    """The key for entries about this subject; "" is the vault's own."""
    return Owner("", subject, DATA_CLASS)


class Bodies:
    """Methods block; a subject's key is made at its first entry."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def seal_body(self, subject: str, body: bytes) -> bytes:
        return self._keyring.key_or_new(body_owner(subject)).seal(body, _place(subject))

    def open_body(self, subject: str, sealed: bytes) -> bytes:
        """Raises KeyGoneError once the subject was erased, TamperError on any change."""
        return self._keyring.open(sealed, body_owner(subject), _place(subject))


def _place(subject: str) -> Place:
    return Place("", subject, "body", DATA_CLASS)
