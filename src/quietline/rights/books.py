"""The rights desk's books in memory, written through to `rights.db`: what stands now. Methods that write block."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict

from quietline.errors import Denied
from quietline.reasons import Why, denied
from quietline.rights.erasure import Books, Hold, held, load_hold
from quietline.rights.requests import Request, Right, State, load_request
from quietline.rights.store import HOLD, RECEIPT, RECIPIENT, REQUEST, RightsStore

ERASED = "erased"


class RightsBooks:
    """Requests, holds, recipients, receipts, and who was erased (the SHA-256 of a random token: it leads nowhere)."""

    def __init__(self, store: RightsStore) -> None:
        self._store = store
        self.requests = {name: load_request(each) for name, each in store.all(REQUEST).items()}
        self.holds = {name: load_hold(each) for name, each in store.all(HOLD).items()}
        self.recipients = {name: str(each["purpose"]) for name, each in store.all(RECIPIENT).items()}
        self._erased = set(store.all(ERASED))

    def request(self, name: str) -> Request:
        """Raises Denied("unknown-request")."""
        if name not in self.requests:
            raise Denied("unknown-request", "There is no such request.")
        return self.requests[name]

    def put(self, request: Request) -> Request:
        """Keep a request; durable on return."""
        self._store.put(REQUEST, {request.id: request.dump()})
        self.requests[request.id] = request
        return request

    def finish_erasure(self, request: Request, receipt: str, customer: str) -> None:
        """The request is done, its receipt is kept, its customer is forgotten: the token is gone from the file too."""
        self._store.put(ERASED, {digest(customer): {}})
        self._erased.add(digest(customer))
        self._store.put(RECEIPT, {request.id: {"receipt": receipt}})
        others = [each for each in self.requests.values() if each.customer == customer and each.id != request.id]
        over = [name for name, hold in self.holds.items() if hold.customer == customer]  # expired: a live one wins
        self._store.drop(REQUEST, [each.id for each in others])
        self._store.drop(HOLD, over)
        self.requests = {name: each for name, each in self.requests.items() if each not in others}
        self.holds = {name: each for name, each in self.holds.items() if name not in over}
        self.put(request)
        self._store.scrub()

    def receipt(self, name: str) -> str:
        """Raises Denied("unknown-request") where there is none."""
        kept = self._store.all(RECEIPT)
        if name not in kept:
            raise Denied("unknown-request", "There is no receipt of this request.")
        return str(kept[name]["receipt"])

    def place(self, hold: Hold) -> None:
        """Keep a hold; durable on return."""
        self._store.put(HOLD, {hold.id: asdict(hold)})
        self.holds[hold.id] = hold

    def lift(self, name: str) -> Hold:
        """Take a hold off. Raises Denied("unknown-hold")."""
        if name not in self.holds:
            raise Denied("unknown-hold", "There is no such hold.")
        self._store.drop(HOLD, [name])
        return self.holds.pop(name)

    def recipient(self, name: str, purpose: str) -> None:
        """Put a recipient on the list; an empty purpose takes it off."""
        if purpose:
            self._store.put(RECIPIENT, {name: {"purpose": purpose}})
            self.recipients[name] = purpose
        else:
            self._store.drop(RECIPIENT, [name])
            self.recipients.pop(name, None)

    def at(self, now: float) -> Books:
        """As `erasure.may_erase` wants them."""
        return Books(tuple(self.requests.values()), tuple(self.holds.values()), self.recipients, now)

    def held(self, now: float) -> frozenset[str]:
        """Customers under a legal hold now."""
        return frozenset(each.customer for each in self.holds.values() if held(each.customer, [each], now))

    def bar(self, customer: str) -> Denied | None:
        """Why nothing of this customer may be shown to an agent (GDPR 18(2)); None where it may."""
        if not customer:
            return None
        if digest(customer) in self._erased:
            return denied(Why.ERASED)
        theirs = (each for each in self.requests.values() if each.customer == customer)
        return denied(Why.RESTRICTED) if any(map(_restricts, theirs)) else None

    def objections(self, customer: str) -> tuple[str, ...]:
        """What this customer has objected to, and it stands."""
        standing = self._of(customer, Right.OBJECTION, (State.IN_FORCE,))
        return tuple(sorted({each.about for each in standing}))

    def unfinished(self) -> list[Request]:
        """Erasures that were begun and not ended: a crash came between."""
        return [each for each in self.requests.values() if each.state is State.ERASING]

    def _of(self, customer: str, right: Right, states: Iterable[State]) -> list[Request]:
        wanted = set(states)
        return [
            each
            for each in self.requests.values()
            if each.customer == customer and each.right is right and each.state in wanted
        ]


def digest(customer: str) -> str:
    """What is kept of an erased customer's token."""
    return hashlib.sha256(customer.encode()).hexdigest()


def _restricts(request: Request) -> bool:
    """A restriction in force, or an erasure under way; an objection to everything does the same (21(1), 18(1)(d))."""
    everything = request.right is Right.OBJECTION and request.about == "everything"
    standing = request.state is State.IN_FORCE and (request.right is Right.RESTRICTION or everything)
    return standing or request.state is State.ERASING
