"""What is somebody else's in a customer's file (GDPR 15(4)): contacts in free text, and names of staff. Pure.

A pattern finds e-mail addresses and telephone numbers, a list finds the staff's names. A third person's name in a note
is found by no pattern: whoever answers withholds the kinds of records in which others stand (desk.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
PHONE = re.compile(r"(?<!\w)\+?\d(?:[ ()./-]{0,2}\d){6,14}(?!\w)")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{4}")
PERSON, CONTACT = "[a member of staff]", "[someone else's contact]"
TAIL = 7  # digits at the end that make two spellings of a number the same


def redact(text: str, own: Collection[str], staff: Iterable[str]) -> str:
    """`own`: the customer's own phone and e-mail, which stay. `staff`: display names."""
    mine = {_shape(each) for each in own}

    def contact(found: re.Match[str]) -> str:
        keep = _shape(found.group()) in mine or DATE.fullmatch(found.group())
        return found.group() if keep else CONTACT

    for name in sorted(filter(None, staff), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", PERSON, text, flags=re.IGNORECASE)
    return PHONE.sub(contact, EMAIL.sub(contact, text))


def _shape(contact: str) -> str:
    """An e-mail address folded; of a number its last digits, so that +44 20… and 020… are one."""
    if "@" in contact:
        return contact.strip().casefold()
    return "".join(char for char in contact if char.isdigit())[-TAIL:]
