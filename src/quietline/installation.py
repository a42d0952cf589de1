"""What must be there before the parts start: folders with the right owners, certificates, prompts, the edge's files.

Run by the supervisor, as root, at every start; all of it may be run again. Blocking.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from quietline.chain.in_force import chain_folder
from quietline.config import Config
from quietline.live.chain_source import ChainSource
from quietline.supervisor import Part
from quietline.telephony import prompts
from quietline.telephony.certificates import certificate_paths, ensure_certificates
from quietline.telephony.edge import edge_command, write_edge
from quietline.telephony.private_files import owner_ids, write_private
from quietline.telephony.prompt_scripts import needed
from quietline.telephony.rtpengine import command_line

KEY_BYTES = 32
HISTORY_KEY = Path("history.key")  # below `paths.state`, root's: it makes agents' tokens in the history


@dataclass(frozen=True, slots=True)
class BootKeys:
    """Made anew at every start of the supervisor, kept in memory: legs and journals do not outlive it."""

    leg: bytes = field(default_factory=lambda: secrets.token_bytes(KEY_BYTES), repr=False)
    journal: bytes = field(default_factory=lambda: secrets.token_bytes(KEY_BYTES), repr=False)


def prepare(config: Config, config_text: str, keys: BootKeys) -> None:
    """Make everything ready. Raises ConfigError where a part of it cannot be."""
    state, run, users = config.paths.state, config.paths.run, config.users
    for folder in (state, run, config.paths.log):
        _folder(folder, "", 0o755)
    _folder(state / "vault", users.vault, 0o700)
    _folder(state / "controller", users.controller, 0o700)
    _folder(chain_folder(state), "", 0o755)
    _folder(state / "ca", "", 0o755)
    _folder(run / "vault", users.vault, 0o755)
    _folder(run / "controller", users.controller, 0o755)
    _folder(run / "web", users.web, 0o700)
    write_private(run / "quietline.toml", config_text.encode(), 0o444)
    ensure_certificates(config)
    write_web_certificate(config)
    _folder(state / "prompts", users.controller, 0o755)  # the controller makes what it only then knows it needs
    chain = ChainSource(config).now
    prompts.make(state / "prompts", needed(chain.scripts, chain.flows.values()))
    write_edge(config, keys.leg)


def parts(config: Config, keys: BootKeys, passphrase: str) -> tuple[Part, ...]:
    """The five parts, in the order in which they start. An empty passphrase leaves the vault locked until unsealed."""
    users, path = config.users, str(config.paths.run / "quietline.toml")
    unseal = {"passphrase": passphrase} if passphrase else {}
    return (
        Part(
            "vault",
            _python("quietline.vault.process", path),
            users.vault,
            secrets={"leg_key": keys.leg.hex(), **unseal},
        ),
        Part("relay", tuple(command_line(config.relay)), users.relay),
        Part("edge", tuple(edge_command(config)), users.edge),
        Part(
            "controller",
            _python("quietline.wiring", path),
            users.controller,
            secrets={"journal_key": keys.journal.hex(), "history_key": history_key(config.paths.state).hex()},
        ),
        Part("web", _python("quietline.web.process", "--config", path), users.web),
    )


def history_key(state: Path) -> bytes:
    """The key of agents' tokens in the history, made at first. It outlives boots, so that a report can span them."""
    path = state / HISTORY_KEY
    if not path.exists():
        write_private(path, secrets.token_bytes(KEY_BYTES), 0o400)
    return path.read_bytes()


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    """Isolated (-I): no environment variable or folder of a user's decides what is imported."""
    return (sys.executable, "-I", "-X", "faulthandler", "-m", module, *arguments)


def _folder(path: Path, user: str, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    owner = owner_ids(user)
    if owner:
        os.chown(path, *owner)


def write_web_certificate(config: Config) -> None:
    """The edge's certificate again, for the web process's eyes: one origin, one certificate, two users."""
    owner = owner_ids(config.users.web)
    for source, target in _web_copies(config):
        write_private(target, source.read_bytes(), 0o400, owner)


def web_certificate_is_current(config: Config) -> bool:
    """Whether the web process's copy is what the edge has."""
    return all(target.exists() and source.read_bytes() == target.read_bytes() for source, target in _web_copies(config))


def _web_copies(config: Config) -> list[tuple[Path, Path]]:
    files = certificate_paths(config)
    return list(zip((files.certificate, files.key), config.paths.web_certificate, strict=True))


def missing_programs() -> dict[str, str]:
    """Programs the product needs and cannot find, with the Debian package that has them."""
    wanted = {"kamailio": "kamailio", "rtpengine": "rtpengine-daemon", "espeak-ng": "espeak-ng", "sox": "sox"}
    search = "/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ.get("PATH", "")
    return {name: package for name, package in wanted.items() if shutil.which(name, path=search) is None}
