"""What a customer's phone is sent: the one-time code, and a warning after a verification that failed. Pure.

Written as whoever reads it needs it: who sends it, what to do, and that nobody of ours ever asks for it. No link, no
name, nothing of an order; a message may be read on a locked screen by somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, str]] = {
    "en": "{code} is your code for {store}. Key it in on your phone. Never read this aloud to anyone, us included.",
    "fr": (
        "{code} est votre code pour {store}. Tapez-le sur votre téléphone. "
        "Ne le lisez jamais à voix haute, à personne, même à nous."
    ),
    "de": "{code} ist Ihr Code für {store}. Geben Sie ihn am Telefon ein. Lesen Sie ihn niemandem vor, auch uns nicht.",
    "es": (
        "{code} es su código para {store}. Márquelo en su teléfono. "
        "No lo lea nunca en voz alta a nadie, tampoco a nosotros."
    ),
}
# Said only where the call stayed below level 2, so that it is true of every contact and address.
WARNINGS: Final[Mapping[str, str]] = {
    "en": (
        "{store}: someone called about your account and could not be verified. Your contact details stayed hidden. "
        "If it was not you, call us on the number on our website."
    ),
    "fr": (
        "{store} : quelqu'un a appelé au sujet de votre compte sans pouvoir être vérifié. Vos coordonnées sont restées "
        "cachées. Si ce n'était pas vous, appelez-nous au numéro de notre site."
    ),
    "de": (
        "{store}: Jemand rief wegen Ihres Kontos an und konnte nicht bestätigt werden. Ihre Kontaktdaten blieben "
        "verborgen. Waren Sie es nicht, rufen Sie uns unter der Nummer auf unserer Website an."
    ),
    "es": (
        "{store}: alguien llamó por su cuenta y no se pudo verificar. Sus datos de contacto no se mostraron. "
        "Si no fue usted, llámenos al número de nuestra web."
    ),
}
DEFAULT: Final = "en"
NO_STORE: Final = "Quietline"  # where the number dialled is no store's


def code_text(language: str, store: str, code: str) -> str:
    """The message that carries a code, in a customer's language where we have it (ISO 639-1, "en-GB" will do)."""
    return _in(CODES, language).format(code=code, store=store or NO_STORE)


def warning_text(language: str, store: str) -> str:
    """The message to an account's holder after a failed verification."""
    return _in(WARNINGS, language).format(store=store or NO_STORE)


def _in(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language.strip().lower()[:2], texts[DEFAULT])
