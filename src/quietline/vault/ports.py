"""What the controller and the desk may ask of the vault. `vault/client.py` carries it over the socket.

Every method raises Unavailable (VaultLocked, LedgerUnavailable, EdgeUnavailable) when a part that is needed does not
answer, and then nothing was shown. `leg` is the raw ticket the edge signed (a `Sealed` header), `grant` an opaque id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from quietline.legs import LegTicket
from quietline.sealed import Sealed, Ticket


@dataclass(frozen=True, slots=True)
class Match:
    """What the controller learns about a caller: a token, never a number. Unknown and withheld look alike: token ""."""

    leg: str  # LegTicket.id
    customer: str  # random per call, good for this leg only; "" when nobody matched
    assurance: int  # 0..3 (product.md, promise 6)
    last_agent: str = ""  # who spoke with them within `vault.last_agent_seconds`; "" for nobody, unknown and withheld


@dataclass(frozen=True, slots=True)
class StaffMember:
    """What routing needs of an agent."""

    agent: str  # token, also the user part at the edge
    skills: dict[str, int]  # skill -> proficiency, 1 (learning) to 5 (teaches it); languages as "lang:fr"
    certificates: dict[str, float]  # data class -> expiry, UTC seconds; only those the ledger vouches for
    store: str


@dataclass(frozen=True, slots=True)
class CallEvent:
    """An entry that nobody waits for: a `Kind` of ledger/vocabulary.py, the leg's id or "", tokens and numbers."""

    kind: str
    leg: str
    fields: dict[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Callback:
    """A promise to ring back. `token` is random and tells nothing of whom; `expires`: UTC seconds."""

    token: str = field(repr=False)
    expires: float


class CallVault(Protocol):
    """Asked by the controller's user id only."""

    async def arrive_and_match(self, leg: Sealed[str]) -> Match:
        """`arrive`, then `match`, in one question. The arrival is queued even where the match is then refused."""

    async def arrive(self, leg: Sealed[str]) -> None:
        """Queue CALL_ARRIVED; never waits for the disk (corrections, Processes)."""

    async def match(self, leg: Sealed[str]) -> Match:
        """Look the number up by blind index. Only a number that the edge signed, on a named trunk, can match."""

    async def connect(self, leg: str, agent_leg: Sealed[str]) -> str:
        """A grant for the agent who answered, bound to both legs, which the vault checks with the edge."""

    async def send_code(self, leg: str) -> bool:
        """Send a one-time code to the contact on record. Answers alike, with the same delay, for known and unknown."""

    async def check_code(self, leg: str, digits: Sealed[str]) -> int:
        """The assurance after this try. Raises Denied("code-wrong" | "code-expired" | "code-used-up")."""

    async def keep_digits(self, leg: str, digits: Sealed[str]) -> None:
        """What the caller keyed (an order number) for the card of the agent who takes the call; in memory, until the
        leg ends. New digits replace the old. Raises Denied("leg-unknown" | "card-number": such are never kept)."""

    async def hang_up(self, leg: str) -> None:
        """Close every grant of this leg. An event CALL_ENDED of the leg in `note_events` does the same."""

    async def keep_callback(self, leg: Sealed[str]) -> Callback:
        """Keep a live caller's number, sealed, past the hang-up, for `vault.callback_seconds`; durable on return.

        Asked again for the same leg, the same callback answers. Raises Denied("leg-unknown" | "call-unconfirmed" |
        "callback-no-number": withheld, unusable, or not from a named trunk).
        """

    async def dial_callback(self, callback: str, agent_leg: Sealed[str]) -> Sealed[str]:
        """The number to dial, E.164, for the agent who accepted: their answered leg, as in `connect`, which lives.

        Once for each agent's leg, `vault.callback_tries` times in all; in the ledger before it is given. Raises
        Denied("callback-unknown": dropped, expired or never kept | "callback-used-up" | "leg-unknown" |
        "call-unconfirmed").
        """

    async def answer_callback(self, callback: str, leg: Sealed[str]) -> Match:
        """Whoever was called answered; the callback is kept no longer. From here `leg` is a caller's leg like any
        other: `connect(match.leg, agent_leg)` makes the grant, `send_code` and `hang_up` take `match.leg`.

        `leg` is the edge's ticket of the leg it dialled out, kind "called" (legs.py). Assurance is 1 for a known
        number: we dialled it ourselves. Raises Denied("callback-unknown" | "leg-unknown": not the edge's, or for
        another number than this callback's | "call-unconfirmed").
        """

    async def drop_callback(self, callback: str, why: str = "withdrawn") -> None:
        """Forget it, with a closed word for the ledger. Harmless where there is none."""

    async def staff(self) -> list[StaffMember]:
        """Agents in service, with current certificates."""

    async def note_events(self, events: list[CallEvent]) -> None:
        """Queue ledger entries of the controller's (offers, faults), in order."""


NONE_CHOSEN = Sealed("")


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in."""

    agent: str
    name: str = field(repr=False)  # the display name, for the person's own page
    role: str
    csrf: str = field(repr=False)
    expires: float
    second: str = ""  # "set-up": this role needs a second factor for sensitive acts, and there is none yet


@dataclass(frozen=True, slots=True)
class Roster:
    """The people a supervisor sees. `store`: whose people, "" for every store's (a hub's supervisor)."""

    store: str
    names: dict[str, str] = field(repr=False)  # agent -> display name; in service only


class DeskVault(Protocol):
    """Asked by the web process's user id only; `token` is the session cookie's value."""

    async def sign_in(
        self,
        login: str,
        password: Sealed[str],
        source: str,
        new_password: Sealed[str] = NONE_CHOSEN,
        code: Sealed[str] = NONE_CHOSEN,
    ) -> tuple[str, Session]:
        """Start a session. Raises Denied("sign-in-refused" | "sign-in-busy" | "choose-password"); where the password is
        right and the account has a second factor, "second-factor" (give its `code` too), "use-passkey" (it has no
        code), "proof-refused" (the code is wrong or used).

        `password` may be the one-time word that `quietline apply` gave out: then `new_password` is set in its place,
        and where it is missing, too short or too long, "choose-password" says so.
        """

    async def session(self, token: str) -> Session: ...

    async def sign_out(self, token: str) -> None: ...

    async def phone(self, token: str) -> dict[str, str]:
        """A SIP credential: user, password, realm, kind. kind "session" dies with the agent's last session; "lasting":
        the agent has a hardware phone, the password is "" and the page registers nothing. own: "yes" for who has a
        hardware phone, whichever is chosen."""

    async def ring_at(self, token: str, own: bool) -> dict[str, str]:
        """Choose between the page and one's hardware phone; answers as `phone`. The one that is not chosen is signed
        off. Lasts until the last session ends: then the hardware phone rings again. Raises Denied("no-own-phone")."""

    async def card(self, token: str, grant: str, reason: str = "") -> dict[str, object]:
        """The minimum, masked on the server, as the desk's page draws it:

        {"assurance": 1, "known": true, "fields": [one for each field the customer has, as in `schema.FIELDS`:
            {"name": "order.reference", "label": "Order", "state": "shown", "value": "QL-20417"},
            {"name": "contact.phone", "label": "Phone", "state": "refused", "reason": "assurance-too-low",
             "advice": "Verify the caller first."},
            {"name": "delivery.address", "label": "Delivery address", "state": "masked"}]}

        reason: once one is chosen, the card holds only what it needs (reasons.py), the minimum's own fields among it.
        state: "shown" for the minimum alone, "masked" may be asked for, "refused" would be refused now.
        An unknown or withheld caller gets `known: false` and no fields.
        """

    async def open(self, token: str, grant: str, field: str, reason: str) -> Sealed[str]:
        """One field, decided by policy and durable in the ledger before it is opened."""

    async def write_note(self, token: str, grant: str, text: Sealed[str]) -> None:
        """Seal a note with the customer. Refuses card numbers (Luhn) with Denied("card-number")."""

    async def wrap_up(self, token: str, grant: str) -> dict[str, object]:
        """After the hang-up: {"order_reference": "QL-20417" or "", "note": this call's note or ""}, nothing else."""

    async def colleagues(self, token: str, grant: str, agents: list[str]) -> dict[str, str]:
        """Display names of these agents, for whoever may hand on the live call of this grant. Who is not in service is
        left out. Raises as `card`."""

    async def roster(self, token: str) -> Roster:
        """For a supervisor's view of the floor. Raises Denied("policy") for any other role: nobody lists colleagues."""


@dataclass(frozen=True, slots=True)
class StaffPlan:
    """What an applied list of people changes, or would. Tokens only; who is new has none before they are added."""

    added: int
    changed: dict[str, list[str]] = field(repr=False)  # agent -> what differs: "store" | "role" | "skills" | "name"
    retired: list[str] = field(repr=False)  # in service, made by an earlier apply or by hand, and not on the list
    unchanged: int
    words: dict[str, str] = field(default_factory=dict, repr=False)  # login -> first sign-in word, of those just added


class AdminVault(Protocol):
    """Asked by root only, by `AdminVaultClient.call(operation, ...)`; `quietline apply` needs these of it."""

    async def staff_apply(self, people: list[dict[str, object]], digest: str, dry_run: bool) -> StaffPlan:
        """Make the staff be these people: {"login", "name", "role", "store", "skills": ["orders:4", ...]}.

        `digest`: SHA-256, hex, of the chain file that names them, for the ledger. Compared by login; all or nothing;
        asked again, it changes nothing. `dry_run` only compares. Raises ConfigError, "agents[17]: what", for what
        cannot be, and never says a login. In a dry run a store need not be in force yet; the chain comes before them.
        """

    async def config_applied(self, digest: str, counts: dict[str, int]) -> None:
        """Write CONFIG_APPLIED with the digest and how much of each kind was added, changed, removed: durable on
        return, and asked before the configuration is in force."""


class Kms(Protocol):
    """The key service: holds the key-encryption key (KEK) and never gives it out. May block on a network round trip, so
    it is called off the event loop; safe from several threads.

    `context` is bound as associated data: a wrapped key opens only under the context it was wrapped with.
    """

    @property
    def key_id(self) -> str:
        """Name and version of the KEK that wraps now, e.g. "3f2a90c1d4e5b607.1"."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """The key sealed under the KEK; starts with a version byte and the KEK's id."""

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key again. Raises TamperError when bytes, context or KEK do not match; Unavailable when not reachable."""

    def wrapped_by(self, wrapped: bytes) -> str:
        """The `key_id` of the KEK that wrapped this, read off its beginning. Raises TamperError for none of ours."""


class LiveLegs(Protocol):
    """The edge's word about a leg; the vault distrusts the controller here."""

    async def leg_alive(self, ticket: LegTicket) -> bool:
        """Whether the dialog of this ticket is up right now. Raises EdgeUnavailable when the edge does not answer."""


class PhoneBook(Protocol):
    """Credentials at the edge, of agents' phones and of trunks. Only digests (HA1) travel, never passwords.

    Every method raises EdgeUnavailable when the edge does not answer; what is absent is removed without complaint.
    """

    async def add(self, user: str, ha1: str) -> None: ...

    async def remove(self, user: str) -> None: ...

    async def put_trunk_credential(self, user: str, ha1: str) -> None: ...

    async def remove_trunk_credential(self, user: str) -> None: ...

    async def instance(self) -> str:
        """Changes when the edge restarted and so forgot every credential. Raises EdgeUnavailable."""


class CodeChannel(Protocol):
    """Carries a one-time code to a phone."""

    async def send(self, to: Sealed[str], text: Sealed[str], ticket: Ticket) -> None:
        """Raises Unavailable when the gateway did not accept it. Bounded in time; one try."""
