"""Configuration: one frozen type, read from one TOML file. Every limit has its name here and none in the code.

Secrets are never in it: they are files below `paths.state` or come from the key service.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things live. `state` outlives a restart, `run` need not (a tmpfs), `log` is text without personal data."""

    state: Path = Path("/var/lib/quietline")  # sealed data, CA, prompts: back this up
    run: Path = Path("/run/quietline")  # sockets, and the edge's generated configuration with its leg key
    log: Path = Path("/var/log/quietline")  # one file a part

    @property
    def vault_socket(self) -> Path:
        return self.run / "vault" / "vault.sock"

    @property
    def controller_socket(self) -> Path:
        return self.run / "controller" / "controller.sock"

    @property
    def supervisor_socket(self) -> Path:
        return self.run / "supervisor.sock"

    @property
    def web_certificate(self) -> tuple[Path, Path]:
        """Certificate and key, PEM: the edge's, once more, for the web process's user."""
        return self.run / "web" / "cert.pem", self.run / "web" / "key.pem"


@dataclass(frozen=True, slots=True)
class Users:
    """The system user each process runs as. Empty: the user who started the supervisor (tests only)."""

    vault: str = "quietline-vault"
    edge: str = "quietline-edge"
    relay: str = "quietline-relay"
    controller: str = "quietline-call"
    web: str = "quietline-web"
    shop: str = ""  # whom `quietline connect shop` becomes, "quietline-shop"; empty: no shop is connected


@dataclass(frozen=True, slots=True)
class Edge:
    """The Kamailio edge. Ports are TCP unless said otherwise. `internal` listeners are loopback only."""

    realm: str = "quietline.local"  # also the page's host name: one origin, one certificate
    addresses: tuple[str, ...] = ("127.0.0.1",)  # IPv4 or IPv6 addresses to listen on
    advertised: str = ""  # the public address when behind NAT; empty: the listening one
    tls_port: int = 5061  # phones and carriers, TLS; a client certificate is asked for, not required
    trunk_port: int = 5063  # carriers with a certificate: mutual TLS
    wss_port: int = 8443  # browsers
    cleartext_port: int = 0  # UDP, for trunks named with cleartext = true; 0: no listener at all
    internal_port: int = 5090  # UDP on 127.0.0.1, the controller's side
    origins: tuple[str, ...] = ()  # further Origin values allowed on WSS; the page's own is always allowed
    invites_per_second: int = 300  # whole edge; above it 503
    requests_per_source: int = 60  # per 2 s from a source that is no named trunk; above it a ban
    ban_seconds: int = 300  # how long a banned source gets no answer
    failed_sign_ins: int = 20  # per user *and* source in 120 s; above it 403
    max_connections: int = 4_096  # TCP, TLS and WSS together


@dataclass(frozen=True, slots=True)
class Trunk:
    """A carrier's line. A source that is no named trunk may call, but its number claims nothing (assurance 0).

    Known by source address, by certificate name, or by digest user; at least one.
    """

    name: str
    addresses: tuple[str, ...] = ()  # source addresses or networks (CIDR)
    certificate_name: str = ""  # the subject's CN or a DNS name on the mutual-TLS port
    digest_user: str = ""  # the user name it signs its calls with
    country: str = "GB"  # ISO 3166: national numbers become E.164 by its rules
    cleartext: bool = False  # UDP and RTP allowed; named, graded, shown, audited
    dialled_from: str = "request-uri"  # "request-uri" | "to" | "diversion"
    max_calls: int = 100  # concurrent; above it 503
    invites_per_second: int = 100  # above it 503


@dataclass(frozen=True, slots=True)
class Carrier:
    """How calls go out by a trunk, for callbacks: one table for each trunk that takes our calls."""

    trunk: str  # the name of its [[trunk]]; over UDP without encryption only where that says cleartext = true
    host: str  # the carrier's host name or address
    port: int = 5061  # its SIP port
    certificate_name: str = ""  # the name its certificate must carry; empty: the host
    ca: str = ""  # who signed its certificate, a PEM file; empty: as for its client certificates
    user: str = ""  # the user name that our calls are signed with (digest), where it asks
    password_file: str = ""  # holds that user's password and nothing else; mode 0400, root's
    register: bool = False  # sign in at the carrier (REGISTER) and stay signed in
    register_seconds: int = 600  # how long one sign-in holds
    shows: tuple[str, ...] = ()  # our numbers that may be shown by it, E.164; empty: every number of a store
    identity: str = "from"  # where it stands: "from" | "asserted" (P-Asserted-Identity; From is the user) | "both"
    withhold: bool = False  # ask for the number to be hidden from whoever is called (Privacy: id); not with "from"
    dials: tuple[str, ...] = ()  # beginnings of numbers that may be dialled, E.164; empty: the trunk's country
    max_calls: int = 20  # concurrent calls out; above it 503
    ring_seconds: float = 30.0  # how long whoever is called is rung


@dataclass(frozen=True, slots=True)
class Relay:
    """rtpengine. Ports are UDP. The range stays below Linux's ephemeral ports (32768)."""

    interfaces: tuple[str, ...] = ("127.0.0.1",)  # "address", "address!advertised"; "trunk/…", "agents/…"
    ng_port: int = 12_222  # rtpengine's control socket, on 127.0.0.1; no UDP port of ours lies in the media range
    digits_port: int = 12_333  # the controller listens here for keypad events
    port_min: int = 20_000  # first UDP port of calls' sound
    port_max: int = 32_767  # last one
    threads: int = 2  # one for each core that may carry sound


@dataclass(frozen=True, slots=True)
class Controller:
    """The call controller: SIP toward the edge on loopback, a Unix socket toward the web process."""

    sip_port: int = 5_070  # UDP on 127.0.0.1
    max_calls: int = 2_000  # concurrent; above it 503
    busy_after: float = 0.1  # seconds the edge's messages may wait for us; when all wait longer, new calls get 503
    ring_seconds: float = 15.0  # then ring-no-answer (RONA): the next agent is tried
    wrap_up_seconds: float = 30.0  # for the note after a call; then the agent is ready again
    max_wait_seconds: float = 900.0  # in the queue; then a sorry and the end
    max_call_seconds: float = 14_400.0  # then the call is ended
    notice: bool = True  # play the privacy notice first; off only where the carrier plays it
    history_days: float = 400.0  # how long reports' rows are kept (tokens and times; docs/reference/data.md)


# OWASP, Password Storage Cheat Sheet: argon2id with at least 19 MiB and 2 passes, 1 lane.
LEAST_ARGON2_MEMORY_KIB, LEAST_ARGON2_PASSES = 19_456, 2


@dataclass(frozen=True, slots=True)
class Vault:
    """The vault. Times in seconds."""

    session_seconds: float = 36_000.0  # then an agent signs in again, whatever happened meanwhile
    session_idle_seconds: float = 3_600.0  # without an open page
    code_seconds: float = 120.0  # one-time code: two minutes
    code_tries: int = 3  # then the code is dead
    opens_per_leg: int = 40  # fields shown on one call
    opens_per_minute: int = 60  # fields shown to one agent
    opens_per_day: int = 2_000  # fields shown to one agent in a UTC day; reaching it raises an alert
    opens_in_all: int = 6_000  # fields shown to everybody in one minute; reaching it raises an alert
    work_own_seconds: float = 86_400.0  # the longest work grant that an agent gives themselves after their own call
    work_longest_seconds: float = 1_209_600.0  # the longest one with a supervisor's word
    break_glass_minutes: int = 30  # how long an approved break-glass is open where nothing else is asked; 60 at most
    alert_webhook: str = field(default="", repr=False)  # https URL that is told of alerts (JSON, tokens only)
    receipt_seconds: float = 2_592_000.0  # how long a receipt's page may be opened: 30 days
    edge_answer_seconds: float = 0.5  # how long to wait for the edge's word that a leg lives
    ledger_wait_seconds: float = 5.0  # then the reveal is refused
    argon2_memory_kib: int = 65_536  # argon2id (RFC 9106), for passphrase and passwords
    argon2_passes: int = 3  # the same
    leg_ticket_seconds: float = 14_400.0  # how long the edge's word for a leg is believed
    callback_seconds: float = 14_400.0  # how long a number is kept for a promised callback
    callback_tries: int = 3  # how often it is dialled
    last_agent_seconds: float = 604_800.0  # how long it is known whom a customer spoke with (`sticky`); 0: not at all
    policies: str = ""  # folder of Cedar rules that the vault's user can read; empty: the shipped ones
    policy_zone: str = "UTC"  # time zone by whose clock rules tell the time of day, such as Europe/London
    erasure_cooling_seconds: float = 259_200.0  # three days in which a request for erasure may be taken back
    erasures_per_day: int = 50  # and no more, whoever asks
    erasures_alone: int = 5  # of them by one privacy officer; further ones, and several at once, take two people
    retention_seconds: float = 86_400.0  # how often what is past its time is erased; 0: by hand only
    second_factor_roles: tuple[str, ...] = ("administrator", "privacy_officer")  # sensitive acts need one; others may
    kms: str = "file"  # what keeps the key-encryption keys: "file" (sealed by a passphrase) | "openbao"
    kek_window_seconds: float = 604_800.0  # a week between two people's word and the end of a key-encryption key
    backup_keys_days: float = 7.0  # how long `quietline backup` leaves copies of keys: most of the erasure window
    backup_days: float = 35.0  # how long it leaves copies of everything else
    backup_every_days: float = 1.0  # how often you run it: expired copies go at the next run
    code_gateway: str = ""  # URL of the gateway that carries one-time codes to phones; empty: step-up unavailable


@dataclass(frozen=True, slots=True)
class OpenBao:
    """The transit engine of an OpenBao server, where `kms = "openbao"`: it keeps the key-encryption keys."""

    url: str = "https://127.0.0.1:8200"
    mount: str = "transit"  # where the transit engine is mounted
    key: str = "quietline"  # the name of its key, which is there before `quietline vault init`
    token_file: str = ""  # holds a token and nothing else; empty: by AppRole
    role_id_file: str = ""  # AppRole: the role's id
    secret_id_file: str = ""  # AppRole: its secret id
    ca: str = ""  # who signed its certificate, a PEM file; empty: whom this machine trusts
    timeout_seconds: float = 5.0  # then it counts as unreachable


@dataclass(frozen=True, slots=True)
class Oidc:
    """Sign-on by your identity provider (OpenID Connect). Without an issuer there is none.

    Register us there as a client that comes back to https://HOST:PORT/sign-on, host and port as agents see them.
    """

    issuer: str = ""  # as its metadata names it: https://login.example
    client_id: str = ""  # what we are called there
    client_secret_file: str = ""  # holds the client's secret and nothing else; empty: a public client with PKCE alone
    ca: str = ""  # who signed its certificate, a PEM file; empty: whom this machine trusts


@dataclass(frozen=True, slots=True)
class Stir:
    """Carriers' signatures over callers' numbers (STIR/SHAKEN). Shown as a grade; needed for no level of assurance."""

    roots: str = ""  # a PEM file of the authorities you believe, which the vault's user can read; empty: not looked at
    hosts: tuple[str, ...] = ()  # where signers' certificates may be fetched, "name" or "name:port", https only
    fresh_seconds: float = 60.0  # how old, or ahead of our clock, a signature may be (ATIS-1000074)
    fetch_seconds: float = 2.0  # for one fetch; the call rings meanwhile


@dataclass(frozen=True, slots=True)
class Web:
    """The desk. The page and the signalling socket share host name and certificate."""

    addresses: tuple[str, ...] = ("127.0.0.1",)
    port: int = 8_444  # HTTPS
    turn: str = ""  # "turns:host:port?transport=tcp" for agents whose network blocks UDP
    turn_secret_file: str = ""  # shared with the TURN server (use-auth-secret); the web process must be able to read it


@dataclass(frozen=True, slots=True)
class Certificates:
    """Your own certificate and key (PEM). Empty: a local CA below `paths.state`/ca makes one."""

    certificate: str = ""  # the chain, leaf first
    key: str = ""  # its private key, without a passphrase
    trunk_ca: str = ""  # who signs carriers' client certificates; empty: the local CA


@dataclass(frozen=True, slots=True)
class Store:
    """One shop, or the hub."""

    id: str
    name: str
    numbers: tuple[str, ...] = ()  # E.164, as dialled
    controller: str = "brand"  # who is the GDPR controller of its customers: the brand or a franchisee


@dataclass(frozen=True, slots=True)
class Queue:
    """A line of waiting callers. `digit` is the keypad choice that leads here."""

    id: str
    name: str
    digit: str
    skills: tuple[str, ...] = ()
    data_class: str = "invoice"  # the certificate an agent needs to take its calls
    reason: str = "order_status"  # the reason code the desk proposes
    spoken: str = ""  # as the menu says it: "For ..., press 1."; empty: the name


@dataclass(frozen=True, slots=True)
class Shop:
    """The shop system whose orders `quietline connect shop` keeps in step: WooCommerce's REST API v3 and webhooks.

    The files are read by root, before the connector becomes `users.shop`.
    """

    url: str = ""  # its address, https://shop.example; empty: none
    key_file: str = ""  # two lines, consumer key and consumer secret, with read rights; mode 0400, root's
    webhook_secret_file: str = ""  # the secret of its webhooks; mode 0400, root's
    controller: str = "brand"  # the GDPR controller of its customers
    addresses: tuple[str, ...] = ("127.0.0.1",)  # where webhooks arrive; beyond this machine with a certificate only
    port: int = 8_446  # the same
    certificate: str = ""  # PEM, the chain, leaf first; empty: plain HTTP, for a proxy on this machine
    key: str = ""  # its private key
    poll_seconds: float = 300.0  # between two sweeps over what was modified, webhooks or not


@dataclass(frozen=True, slots=True)
class CustomField:
    """A field of your own on a customer's record, beside those of `docs/reference/data.md`.

    It is sealed, shown, asked for, imported and erased like theirs. A field that is taken out again stays sealed on
    record until its class is erased, and nothing shows it.
    """

    name: str  # "custom." and a word of a-z, 0-9 and _; never changed later, for what is stored names it
    label: str  # as the desk's page says it
    data_class: str = "contact"  # contact, delivery, invoice or service: its key, its retention, the certificate
    assurance: int = 2  # the least at which it opens: 1 to 3; contact and delivery from 2
    indexed: bool = False  # customers are found by it in an import; a value of its own for each of them
    free_text: bool = True  # people type it: a payment card number in it is refused
    reasons: tuple[str, ...] = ()  # for which it may be asked: order_status, delivery_change, return_refund, …


@dataclass(frozen=True, slots=True)
class Config:
    """Everything, as read from one file."""

    paths: Paths = field(default_factory=Paths)
    users: Users = field(default_factory=Users)
    edge: Edge = field(default_factory=Edge)
    relay: Relay = field(default_factory=Relay)
    controller: Controller = field(default_factory=Controller)
    vault: Vault = field(default_factory=Vault)
    openbao: OpenBao = field(default_factory=OpenBao)
    oidc: Oidc = field(default_factory=Oidc)
    web: Web = field(default_factory=Web)
    stir: Stir = field(default_factory=Stir)
    certificates: Certificates = field(default_factory=Certificates)
    shop: Shop = field(default_factory=Shop)
    trunks: tuple[Trunk, ...] = ()
    carriers: tuple[Carrier, ...] = ()
    stores: tuple[Store, ...] = ()
    queues: tuple[Queue, ...] = ()
    fields: tuple[CustomField, ...] = ()
