"""The call, step by step, as customer and agent live it. Everything is asked of the running product from outside."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quietline.demo.scene import AGENT, CHAIN, DIALLED, NO_FRENCH, Scene, desk
from quietline.demo.tell import Teller
from quietline.errors import QuietlineError
from quietline.flows.drawing import draw
from quietline.flows.file import load as load_flows
from quietline.testing.canaries import scan_text
from quietline.testing.remote_desk import RemoteDesk

FIELD = "contact.phone"
REASON = "delivery_change"  # a reason that needs the phone number; its key on the page is 2
REASON_KEY = 2
FAINTER_DB, FAINT = 20.0, 700.0  # a tone that nobody makes: this much below the real one, and below this amplitude
NOTICE_MS = 45_000  # until Mia's browser rings: the notice is heard out
AFTER = 1.0  # seconds after the hang-up at which everything must be closed


@dataclass(slots=True)
class Memory:
    """What the demo learned on the way, for the checks that come later."""

    call: str = ""
    cookies: dict[str, str] = field(default_factory=dict, repr=False)
    csrf: str = field(default="", repr=False)
    to_agent: list[str] = field(default_factory=list, repr=False)  # every SIP message that reached the browser
    second_tab: object = None


async def tell_story(scene: Scene, teller: Teller, shots: Path) -> Memory:
    """One call from the first ring to the closed card."""
    memory = Memory()
    scene.agent.page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda data: memory.to_agent.append(str(data)))
    )
    async with desk(scene) as bea, desk(scene) as noor, _picture_of_failure(scene, shots):
        await _the_flow_is_put_in_force(scene, teller, shots)
        await _agents_arrive(scene, teller, bea, noor)
        await _the_customer_calls(scene, teller, memory, shots)
        await _they_talk(scene, teller)
        await _the_card_opens(scene, teller, memory, shots)
        _the_wrong_agents_were_not_rung(teller, bea, noor)
        await _they_hang_up(scene, teller, memory, shots)
    return memory


@asynccontextmanager
async def _picture_of_failure(scene: Scene, shots: Path) -> AsyncIterator[None]:
    """What the agent's page showed when the story broke off."""
    try:
        yield
    except BaseException:
        await scene.agent.screenshot(shots / "broke-off.png")
        raise


async def _the_flow_is_put_in_force(scene: Scene, teller: Teller, shots: Path) -> None:
    teller.chapter("What callers go through")
    book = load_flows(CHAIN)
    picture = shots / "flow.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(draw(book.flows["shop"], book.scripts), encoding="utf-8")
    digest = (await scene.site.apply(CHAIN)).split()[-1]
    teller.happened(
        "the chain file is applied: stores, queues, skills, a flow in two languages", f"sha256 {digest[:12]}"
    )
    teller.happened(f"its flow, {len(book.flows['shop'].steps)} steps, is drawn", str(picture))


async def _agents_arrive(scene: Scene, teller: Teller, bea: RemoteDesk, noor: RemoteDesk) -> None:
    teller.chapter("The agents arrive")
    lapsed = scene.site.chain.lapsed()
    await bea.sign_in(lapsed.login, scene.site.passwords[lapsed.login])
    await bea.ready()
    teller.happened(f"{lapsed.name} signs in and is ready first; her certificates have lapsed")
    await noor.sign_in(NO_FRENCH, scene.site.passwords[NO_FRENCH])
    await noor.ready()
    teller.happened("Noor signs in and is ready next; she speaks no French")
    await scene.agent.signs_in(AGENT, scene.site.passwords[AGENT])
    await scene.agent.goes_ready()
    teller.happened("Mia signs in at her browser and is ready", "softphone registered over WSS")


async def _the_customer_calls(scene: Scene, teller: Teller, memory: Memory, shots: Path) -> None:
    teller.chapter("A customer calls the Northgate store")
    began = time.monotonic()
    await scene.caller.dials(DIALLED)
    await scene.caller.answered()
    teller.happened("Quietline answers", f"{(time.monotonic() - began) * 1_000:.0f} ms after the INVITE")
    await scene.caller.press("2")
    teller.happened("the customer presses 2 for French; the privacy notice plays")
    await scene.caller.press("1")
    teller.happened("the customer presses 1 for their order", "queue Orders: orders at 3 or better, and French")
    await scene.agent.page.get_by_role("button", name="Answer").wait_for(timeout=NOTICE_MS)
    await scene.agent.screenshot(shots / "ringing.png")
    teller.happened("Mia's browser rings")
    _nothing_identifying(scene, teller, memory, "\n".join(memory.to_agent), await scene.agent.text())


def _nothing_identifying(scene: Scene, teller: Teller, memory: Memory, invite: str, page: str) -> None:
    found = scan_text(invite, scene.canaries, "INVITE") + scan_text(page, scene.canaries, "page")
    rung = invite[invite.find("INVITE sip:") :]
    said = next((line for line in rung.splitlines() if line.startswith("From:")), "no INVITE was seen").split(";")[0]
    teller.check("nothing identifying in the INVITE or on the page", not found and "INVITE sip:" in invite, said)


async def _they_talk(scene: Scene, teller: Teller) -> None:
    await scene.agent.answers()
    teller.happened("Mia answers")
    theirs, hers, nobody = scene.tones
    heard = await _measured(scene.agent.hears(theirs))
    teller.check("the agent hears the customer", *_heard(heard, f"{theirs} Hz at {{:.0f}} dB"))
    level = await _measured(scene.caller.hears(hers))
    teller.check("the customer hears the agent", *_heard(level, f"{hers} Hz, amplitude {{:.0f}}"))
    await _a_tone_nobody_makes(scene, teller, heard, nobody)
    transport = await scene.agent.transport()
    teller.check(
        "the agent's leg is encrypted",
        transport.get("dtls") == "connected" and "AES" in str(transport.get("suite")),
        f"DTLS-SRTP, {transport.get('suite')}",
    )
    teller.check(
        "the customer's leg is encrypted",
        "AES" in scene.caller.leg.suite,
        f"TLS and SDES-SRTP, {scene.caller.leg.suite}",
    )


def _heard(level: float | str, found: str) -> tuple[bool, str]:
    return (False, level) if isinstance(level, str) else (True, found.format(level))


async def _a_tone_nobody_makes(scene: Scene, teller: Teller, heard: float | str, nobody: int) -> None:
    """The control: were any sound taken for the right one, this one would be heard too."""
    level = await scene.agent.level(nobody)
    fainter = (heard if isinstance(heard, float) else 0.0) - level
    amplitude = scene.caller.media.heard(nobody)
    found = f"{nobody} Hz: {fainter:.0f} dB fainter, amplitude {amplitude:.0f}"
    teller.check("neither hears a tone that nobody makes", fainter > FAINTER_DB and amplitude < FAINT, found)


async def _measured(hearing: object) -> float | str:
    try:
        return float(await hearing)  # type: ignore[misc]
    except QuietlineError as error:
        return str(error)


async def _the_card_opens(scene: Scene, teller: Teller, memory: Memory, shots: Path) -> None:
    teller.chapter("What the agent may see")
    order = scene.customer.orders[-1].reference
    await scene.agent.page.get_by_text(order).first.wait_for()
    teller.happened(f"the card shows the order {order} and nothing else", "assurance 1: the number matched")
    found = scan_text(await scene.agent.text(), scene.canaries, "page")
    teller.check("contact and delivery data are masked", not found, "•••")
    memory.call = await _current_call(scene)
    status, body = await _ask(scene, memory)
    low = status == 403 and "assurance-too-low" in body
    teller.check("before step-up the phone number is refused", low, f"{status} {_reason(body)}")
    await _step_up(scene, teller)
    status, body = await _ask(scene, memory)
    opened = scene.customer.phone in body
    teller.check(
        "after step-up the same request opens", status == 200 and opened, f"{status}, in the ledger before it was shown"
    )
    await scene.agent.shows("Phone", REASON_KEY)
    await scene.agent.page.get_by_text(scene.customer.phone).first.wait_for()
    await scene.agent.screenshot(shots / "card.png")
    teller.happened("Mia opens the phone number by keyboard, with a reason", f"screenshot {shots / 'card.png'}")


async def _current_call(scene: Scene) -> str:
    _, body = await scene.agent.call("GET", "/api/state")
    return str(json.loads(body)["call"])


async def _ask(scene: Scene, memory: Memory) -> tuple[int, str]:
    return await scene.agent.call("POST", f"/api/calls/{memory.call}/fields/{FIELD}", {"reason": REASON})


def _reason(body: str) -> str:
    """What the desk told the page, in its own words."""
    try:
        problem = json.loads(body)
    except ValueError:
        return body[:80]
    return str(problem.get("advice") or problem.get("detail") or problem.get("title"))


async def _step_up(scene: Scene, teller: Teller) -> None:
    await scene.agent.verifies()
    code = await scene.gateway.next_code(scene.customer.phone)
    teller.happened("a one-time code goes to the phone on record; the customer keys it, and Mia hears no key")
    await asyncio.sleep(1.0)
    await scene.caller.press(code)
    await scene.agent.page.get_by_text("Verified by code").wait_for()
    teller.happened("the code is right", "assurance 2")


def _the_wrong_agents_were_not_rung(teller: Teller, bea: RemoteDesk, noor: RemoteDesk) -> None:
    for claim, page in (
        ("the agent with the lapsed certificate got no offer", bea),
        ("the agent who speaks no French got no offer", noor),
    ):
        states = {event.get("state", "") for event in page.events}
        teller.check(claim, "ringing" not in states, f"her page saw: {', '.join(sorted(states))}")


async def _they_hang_up(scene: Scene, teller: Teller, memory: Memory, shots: Path) -> None:
    teller.chapter("The customer hangs up; one second later")
    agent = scene.agent
    stolen = {each["name"]: each["value"] for each in await agent.context.cookies()}
    csrf = await agent.csrf()
    second = await agent.new_page()
    await second.goto(agent.url)
    await agent.page.bring_to_front()
    await scene.caller.hangs_up()
    await asyncio.sleep(AFTER)
    closed = scan_text(await agent.text(), scene.canaries, "page")
    teller.check("the page is blank of the customer", not closed, "wrap-up keeps the order reference and the note")
    await agent.screenshot(shots / "wrap-up.png")
    status, body = await _ask(scene, memory)
    teller.check("the API refuses", status in (403, 404, 410), f"{status} {_reason(body)}")
    status, body = await agent.call("GET", f"/api/calls/{memory.call}/card")
    teller.check("the card refuses", status in (403, 404, 410), f"{status} {_reason(body)}")
    await _old_token(scene, teller, memory, stolen, csrf)
    found = scan_text(await second.inner_text("body"), scene.canaries, "second tab")
    teller.check("the second tab shows nothing", not found, "same state, no values")
    await second.close()
    await _back_button(scene, teller)
    found = scan_text(await agent.storage(), scene.canaries, "storage")
    teller.check("the browser keeps nothing", not found, "local and session storage, title, history")


async def _old_token(scene: Scene, teller: Teller, memory: Memory, cookies: dict[str, str], csrf: str) -> None:
    """Somebody who copied the cookie during the call, from another machine."""
    async with RemoteDesk(scene.site.url, scene.site.ca, scene.lab.agent.gateway, cookies) as thief:
        thief.csrf = csrf
        status, body = await thief.post(f"/api/calls/{memory.call}/fields/{FIELD}", {"reason": REASON})
        teller.check("an old token refuses", status in (401, 403, 404, 410), f"{status} {_reason(body)}")
        stream = await thief.first_event()
        found = scan_text(json.dumps(stream), scene.canaries, "event stream")
        teller.check("the event stream tells nothing", not found, f"state {stream.get('state', stream)}")


async def _back_button(scene: Scene, teller: Teller) -> None:
    page = scene.agent.page
    await page.goto(scene.agent.url + "?away")
    await page.go_back()
    await asyncio.sleep(0.3)
    found = scan_text(await page.inner_text("body"), scene.canaries, "back")
    teller.check("the back button shows nothing", not found, "no-store, and the page empties itself")
