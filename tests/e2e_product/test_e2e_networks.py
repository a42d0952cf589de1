"""Agents at hard networks: behind masquerade, and where no UDP passes. Sound is measured both ways.

The caller's phone and the agent's browser live in network namespaces of their own; coturn stands on the host's end of
the agent's cable, with the site's certificate, as it would beside the relay.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from quietline.telephony.private_files import owner_ids, write_private
from quietline.testing.namespaces import NetworkLab, Space
from quietline.testing.ports import free_ports
from quietline.testing.site import Site, sample_config
from quietline.testing.turn import Turn, turn_url

pytestmark = [pytest.mark.real, pytest.mark.namespaces, pytest.mark.asyncio(loop_scope="session")]

SECRET = secrets.token_urlsafe(24)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab() -> AsyncIterator[NetworkLab]:
    async with NetworkLab() as lab:
        yield lab


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(lab: NetworkLab, short, public_folder) -> AsyncIterator[Site]:
    """Listening toward both namespaces; the desk names a TURN server."""
    with public_folder() as folder:
        async with listening(lab, folder, short) as site:
            await site.set_up()
            yield site


def listening(lab: NetworkLab, folder: Path, short: dict[str, Any]) -> Site:
    both = (lab.caller.gateway, lab.agent.gateway)
    (port,) = free_ports(1)
    config = sample_config(folder, both)
    secret = folder / "turn.secret"
    write_private(secret, SECRET.encode(), 0o400, owner_ids(config.users.web))
    return Site(config).with_settings(
        controller=short,
        relay={"interfaces": (f"trunk/{both[0]}", f"agents/{both[1]}")},
        web={"turn": turn_url(config.edge.realm, port), "turn_secret_file": str(secret)},
    )


@pytest_asyncio.fixture(loop_scope="session")
async def turn(site: Site, lab: NetworkLab, tmp_path) -> AsyncIterator[Turn]:
    port = int(site.config.web.turn.split(":")[2].split("?")[0])
    files = site.config.paths.state / "ca"
    async with Turn(lab.agent.gateway, port, SECRET, files / "edge.pem", files / "edge.key", tmp_path / "turn") as turn:
        yield turn


async def agent_in(stage, space: Space):
    return await stage.agent(wrap=tuple(space.command([])), resolve=space.gateway)


async def caller_in(stage, space: Space):
    return await stage.caller(edge=stage.site.trunk(space.gateway), sockets=space.socket)


async def candidates(agent) -> tuple[str, str]:
    """The types of the pair that carries the call: ours, the relay's."""
    found = await agent.transport()
    return found["local_candidate"], found["remote_candidate"]


async def test_an_agent_behind_masquerade_hears_and_is_heard(stage, lab) -> None:
    home = await lab.behind(lab.agent)
    agent = await agent_in(stage, home)
    caller = await caller_in(stage, lab.caller)
    await stage.call(agent, caller)
    await agent.hangs_up()
    await caller.is_hung_up_on()


async def test_where_no_udp_passes_turn_over_tls_carries_the_call(stage, lab, turn) -> None:
    agent = await agent_in(stage, lab.agent)
    caller = await caller_in(stage, lab.caller)
    await lab.agent.block_udp()
    try:
        await stage.call(agent, caller)
        assert (await candidates(agent))[0] == "relay"
        assert turn.allocations >= 1
        await caller.hangs_up()
        await agent.reads("Wrap-up")
    finally:
        await lab.agent.allow_udp()
