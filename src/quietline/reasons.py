"""Why access says no: a closed vocabulary, each word with advice that a page can show as it stands.

Here and not in `access`, because the desk reads the words too, and it must not reach access itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from quietline.errors import Denied, NotSignedIn


class Why(StrEnum):
    """Closed. The values travel over the vault's socket as `Denied.reason`."""

    ASSURANCE_TOO_LOW = "assurance-too-low"
    TRAINING_LAPSED = "training-lapsed"
    REASON_DOES_NOT_NEED_IT = "reason-does-not-need-it"
    NOT_YOUR_CALL = "not-your-call"
    NOT_READY = "not-ready"
    NO_SUCH_QUEUE = "no-such-queue"
    NOT_NOW = "not-now"
    CALL_ENDED = "call-ended"
    CALL_UNCONFIRMED = "call-unconfirmed"
    OTHER_STORE = "other-store"
    ROLE_TAKES_NO_CALLS = "role-takes-no-calls"
    ROLE_MAY_NOT = "role-may-not"
    GRANT_EXPIRED = "grant-expired"
    OPENS_PER_LEG = "too-many-looks-this-call"
    OPENS_PER_MINUTE = "too-many-looks-this-minute"
    OPENS_PER_DAY = "too-many-looks-today"
    OPENS_IN_ALL = "too-many-looks-in-all"
    POLICY = "policy"
    POLICY_ERROR = "policy-error"
    CODE_WRONG = "code-wrong"
    CODE_EXPIRED = "code-expired"
    CODE_USED_UP = "code-used-up"
    CODE_SENDS_USED_UP = "code-sends-used-up"
    CONTACT_NEW = "contact-new"
    QUESTIONS_USED_UP = "questions-used-up"
    ANSWER_WRONG = "answer-wrong"
    CLAIM_UNKNOWN = "claim-unknown"
    CLAIMS_USED_UP = "claims-used-up"
    NOT_FOR_HELPER = "not-for-helper"
    CALLBACK_NO_NUMBER = "callback-no-number"
    CALLBACK_UNKNOWN = "callback-unknown"
    CALLBACK_USED_UP = "callback-used-up"
    SIGN_IN_REFUSED = "sign-in-refused"
    SIGN_IN_BUSY = "sign-in-busy"
    CHOOSE_PASSWORD = "choose-password"  # noqa: S105 - a word, not a secret
    SECOND_FACTOR = "second-factor"
    USE_PASSKEY = "use-passkey"
    STEP_UP_NEEDED = "step-up-needed"
    SET_UP_SECOND_FACTOR = "set-up-second-factor"
    PROOF_REFUSED = "proof-refused"
    TOKEN_REFUSED = "token-refused"  # noqa: S105 - a word, not a secret
    RESTRICTED = "restricted"
    ERASED = "erased"
    SIGNED_OUT = "signed-out"
    PAGE_TOKEN_WRONG = "page-token-wrong"  # noqa: S105 - a word, not a secret


ADVICE: Final[dict[Why, str]] = {
    Why.ASSURANCE_TOO_LOW: "Verify the caller first.",
    Why.TRAINING_LAPSED: "Your certificate for this kind of data is not current. Ask your supervisor for the course.",
    Why.REASON_DOES_NOT_NEED_IT: "This reason does not need that field. Choose the reason that fits the call.",
    Why.NOT_READY: "This colleague is not ready any more. Choose another one, or a queue.",
    Why.NO_SUCH_QUEUE: "There is no such queue any more. Choose another one.",
    Why.NOT_NOW: "This does not fit the call as it stands now.",
    Why.NOT_YOUR_CALL: "This call is not yours, or it is not known.",
    Why.CALL_ENDED: "The call has ended. What is left to do needs a work grant.",
    Why.CALL_UNCONFIRMED: "The edge has not confirmed that the call is live. Try again.",
    Why.OTHER_STORE: "This customer belongs to another company's store.",
    Why.ROLE_TAKES_NO_CALLS: "Your role does not take calls.",
    Why.ROLE_MAY_NOT: "This is not for your role. Ask somebody whose job it is.",
    Why.GRANT_EXPIRED: "The time for this is over. Ask for a new grant.",
    Why.OPENS_PER_LEG: "As many fields have been shown as one call allows. Ask your supervisor.",
    Why.OPENS_PER_MINUTE: "Too many fields in one minute. Wait a moment.",
    Why.OPENS_PER_DAY: "As many fields have been shown to you as one day allows. Ask your supervisor.",
    Why.OPENS_IN_ALL: "Too many fields are being shown to everybody, so the vault stopped. Tell your administrator.",
    Why.POLICY: "No policy allows this.",
    Why.POLICY_ERROR: "The policy could not be evaluated, so nothing is shown. Tell your administrator.",
    Why.CODE_WRONG: "The code was wrong. The caller may try again.",
    Why.CODE_EXPIRED: "The code has expired. Send a new one.",
    Why.CODE_USED_UP: "The code has no tries left. Send a new one.",
    Why.CODE_SENDS_USED_UP: "No more codes can be sent on this call.",
    Why.CONTACT_NEW: "The contact on record was changed in the last 7 days, so nothing that rests on it counts yet.",
    Why.QUESTIONS_USED_UP: "No more answers are taken for this customer today. Verify by code.",
    Why.ANSWER_WRONG: "That is not the answer on record.",
    Why.CLAIM_UNKNOWN: "Nobody is found by that number, or more than one customer. Ask the caller to read it again.",
    Why.CLAIMS_USED_UP: "No more numbers can be tried on this call.",
    Why.NOT_FOR_HELPER: "The customer has not named this caller for that reason. Ask the customer to call.",
    Why.CALLBACK_NO_NUMBER: "There is no number to ring back: it is withheld, or came by no named trunk.",
    Why.CALLBACK_UNKNOWN: "No callback is kept under this token: it was answered, dropped or has expired.",
    Why.CALLBACK_USED_UP: "The number has been dialled as often as one callback allows.",
    Why.SIGN_IN_REFUSED: "The login or the password is wrong, or there were too many tries. Wait, then try again.",
    Why.SIGN_IN_BUSY: "Many people are signing in. Try again in a few seconds.",
    Why.CHOOSE_PASSWORD: "This word signs you in once. Choose a password of 12 characters or more.",
    Why.SECOND_FACTOR: "Enter the code from your authenticator app, or a recovery code.",
    Why.USE_PASSKEY: "This account signs in with a passkey. Choose “Use a passkey”.",
    Why.STEP_UP_NEEDED: "Prove once more who you are; then this is open to you for five minutes.",
    Why.SET_UP_SECOND_FACTOR: "Set up a passkey or an authenticator app on “My security” first.",
    Why.PROOF_REFUSED: "That proof was not right, was used before, or came too late. Try again.",
    Why.TOKEN_REFUSED: "The token is not good: unknown, expired, revoked, or not for this.",
    Why.RESTRICTED: "This customer has restricted the use of their data. Pass the matter to the privacy officer.",
    Why.ERASED: "This customer's data was erased at their request. Nothing can be shown or written down.",
    Why.SIGNED_OUT: "You are signed out. Sign in again.",
    Why.PAGE_TOKEN_WRONG: "This page is out of date. Load it again.",
}


# What an agent says when a caller could not be verified: nothing that tells a stranger how close they came, or that
# there is such a customer at all (product.md, promise 6). Read out as it stands.
FAILED_SCRIPT: Final[tuple[str, ...]] = (
    "“I could not confirm that I may talk about this account, so I cannot go into it on this call.”",
    "“You can call again from the phone you usually use, or ask in the shop with your order and an identity card.”",
    "Do not say what was wrong, whether the account exists, or to whom a message went. Do not guess along.",
)


@dataclass(frozen=True, slots=True)
class Need:
    """What a reason needs of a customer: field names of vault/schema.py, the card's own among them; and why those."""

    fields: tuple[str, ...]
    because: str


# Minimum necessary (GDPR 5(1)(c)): by reason code. The shipped policies permit exactly this (a test holds them to it);
# the card shows no more of a call than its reason needs, and `reports/minimum.py` scores what was opened against it.
NEEDS: Final[dict[str, Need]] = {
    "order_status": Need(
        ("order.reference", "order.status", "order.items", "contact.name"),
        "The order answers; the name is for addressing the caller. Never the number or the address.",
    ),
    "delivery_change": Need(
        (
            "order.reference",
            "order.status",
            "order.items",
            "contact.name",
            "contact.phone",
            "delivery.address",
            "delivery.instructions",
        ),
        "The courier rings the phone at the new address, and reads what is to be done there.",
    ),
    "return_refund": Need(
        (
            "order.reference",
            "order.status",
            "order.items",
            "order.total",
            "order.placed",
            "invoice.number",
            "contact.name",
            "contact.email",
            "service.note",
        ),
        "The label goes by e-mail; the day says whether the time to return is over, the sum is what is paid back.",
    ),
    "product_advice": Need(
        ("order.reference", "order.items"), "Advice needs to know what was bought, not who bought it."
    ),
    "complaint": Need(
        (
            "order.reference",
            "order.status",
            "order.items",
            "order.total",
            "contact.name",
            "contact.email",
            "contact.language",
            "service.note",
            "ticket.subject",
            "ticket.text",
            "ticket.status",
        ),
        "A complaint is answered in writing, in the customer's language, and builds on what was said before.",
    ),
}


def denied(why: Why) -> Denied:
    """The error to raise, with its advice; NotSignedIn where there is no session."""
    kind = NotSignedIn if why is Why.SIGNED_OUT else Denied
    return kind(why.value, ADVICE[why])
