"""`quietline up`: start everything in the background; with `--sample`, a fictional chain to try it with."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from quietline.cli.options import DEFAULT_CONFIG, ConfigPath, need_root
from quietline.config import Config, Edge, Paths, Trunk, Vault, Web
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.testing.site import QUEUES, STORES, TRUNK, TRUNK_CERTIFICATE, Site

SAMPLE = Path("/var/lib/quietline-sample")
SAMPLE_RUN = Path("/run/quietline-sample")  # a tmpfs: passphrase and passwords are gone after a reboot
SECRETS = SAMPLE_RUN / "secrets.json"
UNSEAL_WAIT = 20.0  # seconds
INBOX_PORT = 8_445  # where `quietline call` takes text messages

console = Console()


Sample = Annotated[bool, typer.Option("--sample", help="A fictional chain on the default ports, to try it with.")]


def command(config: ConfigPath = DEFAULT_CONFIG, sample: Sample = False) -> None:
    """Start in the background and wait until every part answers; then `quietline vault unseal` opens the vault."""
    need_root("up")
    if sample:
        asyncio.run(_sample())
        return
    settings = load(config)
    if settings.paths.supervisor_socket.exists():
        raise ConfigError("up: it runs already; `quietline down` stops it")
    _start(config, settings)
    made = asyncio.run(_ready(Site(settings)))["initialised"]
    console.print(f"Running. Next: [bold]quietline vault {'unseal' if made else 'init'}[/].")


async def _ready(site: Site) -> dict[str, Any]:
    """The vault's status once every part answers. Raises Unavailable naming the part that does not."""
    await site.ready()
    vault = site.admin()
    try:
        return dict(await vault.status())
    finally:
        await vault.close()


def sample_settings() -> Config:
    """The sample's configuration: the default ports on loopback, everything below two folders of its own."""
    return Config(
        paths=Paths(SAMPLE / "state", SAMPLE_RUN, SAMPLE / "log"),
        edge=Edge(realm="localhost"),
        vault=Vault(code_gateway=f"http://127.0.0.1:{INBOX_PORT}/messages"),
        web=Web(),
        trunks=(Trunk(TRUNK, certificate_name=TRUNK_CERTIFICATE),),
        stores=STORES,
        queues=QUEUES,
    )


async def _opens(site: Site) -> bool:
    """Whether the vault has no key yet, or opens with the one it was given; that takes argon2id's time."""
    deadline = time.monotonic() + UNSEAL_WAIT
    while (vault := await _ready(site))["initialised"] and vault["locked"]:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.2)
    return True


async def _sample() -> None:
    settings = sample_settings()
    if settings.paths.supervisor_socket.exists():
        raise ConfigError("up: the sample runs already; `make down` stops it")
    keep = _secrets()
    site = Site(settings, keep["passphrase"], passwords=keep["passwords"], gateway_token=keep["gateway_token"])
    site.write_files()
    with console.status("starting vault, relay, edge, controller and desk"):
        _start(site.config_path, settings, keep["passphrase"])
        opens = await _opens(site)
    if not opens:
        raise ConfigError(f"up: the old sample does not open; `make down`, remove {SAMPLE} and {SECRETS}, `make up`")
    with console.status("filling in a fictional chain: 3 stores, a hub, 200 customers, 6 agents"):
        if not keep["passwords"]:
            await site.set_up()
        site.trunk_certificate()
    SECRETS.write_text(json.dumps({**keep, "passwords": site.passwords}))
    _tell(site)


def sample_secrets() -> dict[str, Any]:
    """What `up --sample` made for this boot. Raises ConfigError when the sample is not up."""
    try:
        kept: dict[str, Any] = json.loads(SECRETS.read_text())
    except OSError:
        raise ConfigError("the sample is not up; start it with `make up` (and use sudo)") from None
    return kept


def _secrets() -> dict[str, Any]:
    """Of this boot; a sample of an earlier boot, or one that was never finished, is made anew."""
    if SECRETS.exists() and (kept := sample_secrets())["passwords"]:
        return kept
    shutil.rmtree(SAMPLE, ignore_errors=True)
    SAMPLE_RUN.mkdir(parents=True, exist_ok=True)
    SECRETS.touch(0o600)
    made = {name: secrets.token_urlsafe(24) for name in ("passphrase", "gateway_token")}
    SECRETS.write_text(json.dumps({**made, "passwords": {}}))
    return {**made, "passwords": {}}


def _start(path: Path, settings: Config, passphrase: str = "") -> None:
    """`quietline run` in the background, in a session of its own."""
    settings.paths.log.mkdir(parents=True, exist_ok=True)
    with (settings.paths.log / "supervisor.log").open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            (sys.executable, "-m", "quietline.cli", "run", "--config", str(path)),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )
    assert process.stdin
    process.stdin.write(f"{passphrase}\n".encode())
    process.stdin.close()


def _tell(site: Site) -> None:
    """Where to go, how to sign in, how to register a phone, how to place a call."""
    people = Table("sign in as", "password", "takes", title="Agents", show_edge=False)
    for person in site.chain.staff:
        lapsed = [name for name, days in person.certificates.items() if days <= 0]
        note = "[dim](certificates lapsed: gets no offers)[/]" if lapsed else ""
        people.add_row(person.login, site.passwords[person.login], " ".join(person.skills) + " " + note)
    edge = site.config.edge
    console.print(people)
    console.print(
        f"""
[bold]Desk[/]    {site.url}/
        Trust the local CA first, once: import {site.ca}
        (Chromium: certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n quietline -i {site.ca})
[bold]Call[/]    quietline call            a customer's phone in this terminal; its text messages arrive there too
[bold]Phone[/]   quietline phone issue mia --config {site.config_path}
        then register it over TLS at {edge.realm}:{edge.tls_port} with SRTP (SDES) required
[bold]Look[/]    quietline status --config {site.config_path}
[bold]Stop[/]    make down
"""
    )
