"""The scene: the product under its own users, a customer's phone and an agent's browser in namespaces of their own."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quietline.testing.browser import AgentBrowser
from quietline.testing.caller import Person, SimulatedCaller
from quietline.testing.capture import Capture
from quietline.testing.code_gateway import CodeGateway
from quietline.testing.namespaces import NetworkLab
from quietline.testing.remote_desk import RemoteDesk
from quietline.testing.sample import Customer
from quietline.testing.site import Site, sample_config

TONES = (610, 730, 890, 970, 1_090, 1_270, 1_390, 1_510)  # Hz; none a multiple of another, all within G.711's band
DIALLED = "+442079460101"
AGENT, NO_FRENCH = "mia", "noor"
CHAIN = Path(__file__).with_name("chain.yaml")


@dataclass(slots=True)
class Scene:
    """Everything the story needs. `canaries` are planted values that must be found nowhere."""

    folder: Path
    site: Site
    lab: NetworkLab
    gateway: CodeGateway
    customer: Customer
    caller: SimulatedCaller
    agent: AgentBrowser
    tones: tuple[int, int, int]  # the caller's, the agent's, and one that nobody makes
    captures: dict[str, Capture]
    canaries: dict[str, str] = field(repr=False)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    """Put it all up, and take it all down, whatever happens between."""
    async with AsyncExitStack() as stack:
        folder = _open_to_all(stack.enter_context(tempfile.TemporaryDirectory(prefix="quietline-demo-")))
        lab = await stack.enter_async_context(NetworkLab())
        site = await stack.enter_async_context(_site(folder, lab))
        await site.set_up()
        customer = secrets.choice(site.chain.customers)
        tones = secrets.SystemRandom().sample(TONES, 3)
        person = _person(customer)
        yield Scene(
            folder=folder,
            site=site,
            lab=lab,
            gateway=await stack.enter_async_context(site.gateway()),
            customer=customer,
            captures=await _captures(stack, folder, lab),
            agent=await stack.enter_async_context(_agent(site, lab, folder, tones[1])),
            caller=await stack.enter_async_context(_caller(site, lab, person, tones[0])),
            tones=(tones[0], tones[1], tones[2]),
            canaries=_canaries(customer, person),
        )


def _open_to_all(folder: str) -> Path:
    """Each part runs under a user id of its own and must get to its folder."""
    path = Path(folder)
    path.chmod(0o755)
    return path


def desk(scene: Scene) -> RemoteDesk:
    """The desk as an agent without a browser reaches it."""
    return RemoteDesk(scene.site.url, scene.site.ca, scene.lab.agent.gateway)


def _site(folder: Path, lab: NetworkLab) -> Site:
    """Listening toward both namespaces; the desk on loopback too, where its metrics are read."""
    both = (lab.caller.gateway, lab.agent.gateway)
    site = Site(sample_config(folder, both))
    sides = (f"trunk/{both[0]}", f"agents/{both[1]}")
    rights = {"erasure_cooling_seconds": 0.0, "second_factor_roles": ()}  # nobody waits three days for a demo
    return site.with_settings(relay={"interfaces": sides}, web={"addresses": (*both, "127.0.0.1")}, vault=rights)


def _person(customer: Customer) -> Person:
    """The caller's phone gives away all it can: display name, identity, SDES items in RTCP."""
    name = f"Canary {secrets.token_hex(4)}"
    number = customer.phone
    return Person(
        number=number,
        name=name,
        identities=(f"<sip:{number}@carrier-a.example>",),
        headers=(("Subject", f"call of {name}"), ("Organization", name)),
        rtcp={"CNAME": f"{name}@phone.invalid", "NAME": name, "PHONE": number},
    )


def _canaries(customer: Customer, person: Person) -> dict[str, str]:
    fields = customer.fields
    return {
        "the caller's number": customer.phone,
        "the caller's display name": person.name,
        "the customer's name": fields["contact.name"],
        "the customer's e-mail": fields["contact.email"],
        "the customer's address": fields["delivery.address"],
    }


async def _captures(stack: AsyncExitStack, folder: Path, lab: NetworkLab) -> dict[str, Capture]:
    """What a wire-tapper sees: beside the customer's phone, and beside the agent's browser."""
    spaces = {"the caller's wire": lab.caller, "the agent's wire": lab.agent}
    places = {name: folder / f"{space.name}.pcap" for name, space in spaces.items()}
    captures = {name: Capture(places[name], space=space, interface="eth0") for name, space in spaces.items()}
    for capture in captures.values():
        await stack.enter_async_context(capture)
    return captures


def _agent(site: Site, lab: NetworkLab, folder: Path, tone: int) -> AgentBrowser:
    home = folder / "agent"
    home.mkdir()
    inside = tuple(lab.agent.command([]))
    return AgentBrowser(site.url, site.ca, home, tone=tone, wrap=inside, resolve=lab.agent.gateway)


def _caller(site: Site, lab: NetworkLab, person: Person, tone: int) -> SimulatedCaller:
    return SimulatedCaller(site.trunk(lab.caller.gateway), person, sockets=lab.caller.socket, tone=tone)
