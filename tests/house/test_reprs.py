"""No dataclass of the product prints what a caller, a key or an identity may stand in: texts show only by these names.

Each class is filled with planted values, whatever its constructor would say, and printed in every way there is. A text
field of a new name is either `field(repr=False)`, or `Sealed`, or a word that belongs into `WORDS`.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

import quietline
from quietline.sealed import DOTS, Sealed
from quietline.telephony.ports import LegEvent, LegEventKind

TOKENS = """id agent customer leg call grant caller_leg agent_leg subject record uid key_id digest voucher grants legs
    on_leg principal resource parents confirmed recent agent_legs changed_legs retiring offered
    colleague consulting only_agent last_agent agents"""  # random, or ours
CLOSED = """kind name names role store skills controller controllers data_class field fields reason reasons advice why
    who grade state phase word action policies basis kept error part verifying vault outcome topic queue title spoken
    tampered what code mask label detail status certificates format lapsed protocol transport codecs media media_type
    callback consult how end"""
LEDGER = "origin root leaf leaves bodies tiles note edge vkey files earlier unawaited"
MADE_UP = "alias"  # for each call
CONFIGURATION = """realm addresses advertised origins country digest_user certificate_name dialled_from dialled trunk
    trunks interfaces code_gateway turn turn_secret_file numbers digit notice command user groups host users stores
    queues web relay state run log attributes context address version
    ca dials identity password_file shows shown"""
CHAIN = """flow flows step steps start go say hold otherwise invalid wording language languages cases accepted refused
    impossible passed failed yes no waited closed ending default_store by_number zone skill strategy source target
    change warnings prompts"""  # the owner's words in the chain file
WORDS = frozenset(" ".join((TOKENS, CLOSED, LEDGER, MADE_UP, CONFIGURATION, CHAIN)).split())
ONLY_THERE = {
    "access.assurance.Evidence": {"attestation"},  # stir.verdict.Verdict
    "config.Users": {"shop"},  # a system user
    "ledger.proof.Proof": {"hashes"},
    "witness.core.Answer": {"body", "type"},  # what any witness says in public
    "witness.cosignature.Seen": {"witness"},
    "witness.request.AddCheckpoint": {"proof"},
    "witness.submit.Place": {"url"},  # of a witness
    "witness.submit.Told": {"witness"},
    "config.Stir": {"roots", "hosts"},  # a path; names
    "stir.passport.Claim": {"destination"},  # a store's number
    "stir.passport.Passport": {"certificate", "attestation"},  # an address; a Verdict
    "vault.leg_book.KnownLeg": {"scope"},  # reason codes
    "vault.leg_book.Standing": {"attestation", "shown", "candidates"},  # a Verdict, Factors, tokens
    "routing.skills.Ask": {"only"},  # a token
    "routing.explain.Group": {"words"},  # routing's own, with tokens
    "routing.explain.Explanation": {"now", "story"},  # the same
    "access.ports.StaffRow": {"login"},  # a keyed token
    "config.Certificates": {"certificate", "key", "trunk_ca"},  # paths
    "web.identity.SignedIn": {"key"},  # a hash of the token
    "preflight.Port": {"key"},  # of the configuration
    "chain.diff.Change": {"keys"},  # of the chain file
    "routing.overflow.Hop": {"to"},  # a store
    "routing.overflow.Spill": {"to"},
    "routing.flow.Branch": {"on"},  # "store" | "language" | "assurance"
    "routing.flow.Choice": {"key"},  # of the keypad, as a flow has them
    "routing.flow.Collect": {"end", "to"},
    "routing.flow.Hours": {"open"},
    "routing.flow.Queue": {"keys"},
    "routing.flow.Way": {"to"},
    "routing.flow_check.Finding": {"key", "known"},
    "routing.flow_run.AskDigits": {"end", "to"},
    "routing.flow_run.AskKey": {"keys"},
    "routing.flow_run.Enter": {"keys"},
    "routing.flow_run.Key": {"key"},  # one press, in a menu; what is collected is sealed
    "web.assets.Asset": {"body"},  # a file that everybody gets
    "access.breakglass.Case": {"requester", "unit", "classes", "approver", "reviewer", "finding"},  # tokens and words
    "access.grants._State": {"days"},  # counts, by agent's token
    "access.work_grants.Wish": {"assignee"},  # a token
    "access.work_grants.WorkGrant": {"asked_by", "assignee", "given_by"},  # tokens
    "ledger.call_receipt.Line": {"kinds"},  # data classes
    "vault.apart.Right": {"still"},  # a function
    "vault.emergency.Asked": {"classes"},
    "vault.receipts.Post": {"base"},  # of the configuration
    "access.cases.Row": {"about", "text", "expected", "cases"},  # of the table of cases
    "access.lint.Finding": {"severity", "rule", "what"},
    "access.lint.Rule": {"effect", "body"},  # a rule's own text
    "access.matrix.Case": {"until", "moment"},  # "open" | "over"; a wall clock's time
    "access.matrix.Outcome": {"rules"},  # ids
    "access.minimum.Part": {"revealed"},  # fields' names
    "access.promises.Broken": {"promise", "case"},
    "reasons.Need": {"because"},
    "access.oidc.Client": {"issuer", "redirect"},  # of the configuration
    "access.oidc.Try": {"holder"},  # a hash
    "access.ports.SessionRow": {"methods"},  # words of step_up.Method
    "access.ports.TokenRow": {"scopes"},  # words of tokens.Scope
    "config.Vault": {"alert_webhook", "kms", "policy_zone", "second_factor_roles"},
    "config.Oidc": {"issuer", "client_id", "client_secret_file"},
    "vault.admin.Ending": {"sessions", "tokens"},  # functions
    "vault.ports.Session": {"second"},  # "" | "set-up"
    "vault.staff_import.Imported": {"bad"},  # lines and reasons, which never say a login
    "vault.policies.PolicyState": {"folder"},  # of the configuration
    "config.Shop": {"url", "key_file", "webhook_secret_file", "certificate", "key"},  # paths
    "connector.cursor.Cursor": {"seen"},  # digests
    "customers.batches.Batch": {"rejected"},  # lines and reasons, which name fields and never values
    "customers.mapping.ColumnMap": {
        "key",
        "key_prefix",
        "controller_column",
        "order",
        "orders",
        "encoding",
        "delimiter",
    },
    "customers.mapping.Source": {"columns", "join", "place"},  # of the mapping file
    "customers.position.Position": {"task", "counts"},  # a digest; numbers
    "customers.rows.Row": {"problem"},  # a reason of ours
    "vault.importing.Reading": {"rejected"},
    "config.OpenBao": {"key", "mount", "role_id_file", "secret_id_file", "token_file", "url"},  # names and paths
    "vault.backup.Made": {"removed", "stamp"},  # times
    "vault.backup_set.Stored": {"sealed_sha256", "sha256"},
    "vault.blind_index.Names": {"coming", "past", "present"},  # fields' names
    "vault.kek_ends.KekEnd": {"approved_by", "asked_by"},  # tokens of staff
    "vault.restore.Restored": {"keys", "ledger", "stamp"},  # words of ours
    "vault.restore.Wanted": {"at"},  # a backup's time
    "vault.rotation.Progress": {"cursor"},  # a token
    "vault.tombstones.Tombstone": {"classes"},  # words of schema.DataClass
    "vault.storing.Outcome": {"rejected"},
    "vault.storing._Plan": {"token", "twin"},  # random; a field's name
}
SKIPPED = ("quietline.testing", "quietline.demo", "quietline.cli")  # nobody's data: stand-ins, and the command line
TEXTUAL = re.compile(r"\b(str|bytes|Any|object|Mapping|dict)\b")


class Planted(str):
    """A value that answers to everything and is easy to find."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Planted:
        return self


def modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(quietline.__path__, "quietline."):
        if not found.name.startswith(SKIPPED) and not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def dataclasses_of_ours() -> list[type]:
    found = [
        each
        for module in modules()
        for each in vars(module).values()
        if inspect.isclass(each) and dataclasses.is_dataclass(each) and each.__module__ == module.__name__
    ]
    return sorted(found, key=lambda each: (each.__module__, each.__qualname__))


def short(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("quietline.")


def is_text(annotation: str) -> bool:
    return not annotation.startswith("Sealed[") and bool(TEXTUAL.search(annotation))


def planted(kind: type) -> Any:
    made: Any = object.__new__(kind)
    for each in dataclasses.fields(kind):
        object.__setattr__(made, each.name, Planted(f"<<{each.name}>>"))
    return made


def printed(value: object) -> str:
    try:
        raise ValueError(f"{value!r} {value}") from None
    except ValueError as error:
        return " ".join([repr(value), str(value), format(value), str([value]), *traceback.format_exception(error)])


@pytest.mark.parametrize("kind", dataclasses_of_ours(), ids=short)
def test_texts_are_shown_by_their_word_only(kind: type) -> None:
    texts = {each.name for each in dataclasses.fields(kind) if is_text(str(each.type))}
    shown = set(re.findall(r"<<(\w+)>>", printed(planted(kind)))) & texts
    bare = shown - WORDS - ONLY_THERE.get(short(kind), set())
    assert not bare, f"field(repr=False), Sealed, or a word for WORDS: {sorted(bare)}"


def test_there_are_many_and_the_ones_that_matter_are_among_them() -> None:
    names = {short(each) for each in dataclasses_of_ours()}
    assert len(names) > 80
    assert {"telephony.ports.LegEvent", "sip.session.Session", "legs.LegTicket", "supervisor.Part"} <= names


def test_the_test_finds_what_is_shown() -> None:
    @dataclasses.dataclass
    class Careless:
        sdp: str
        word: str = dataclasses.field(default="", repr=False)

    with pytest.raises(AssertionError, match="sdp"):
        test_texts_are_shown_by_their_word_only(Careless)


def test_a_leg_event_hides_keys_and_addresses() -> None:
    sdp = "v=0\r\nc=IN IP4 192.0.2.7\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1c\r\n"
    event = LegEvent(LegEventKind.ANSWERED, 200, "OK", sdp)
    for told in (repr(event), str(event), f"{event}", str([event]), str({"event": event})):
        assert "192.0.2.7" not in told
        assert "inline" not in told
    assert event.sdp == sdp


def test_what_is_sealed_stays_so_inside_of_anything() -> None:
    number = "+442079460001"
    for holder in ([Sealed(number)], {"caller": Sealed(number)}, (Sealed(number),)):
        assert number not in printed(holder)
        assert DOTS in printed(holder)
