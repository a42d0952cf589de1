"""Stores shut for now from the command line, beside the chain file: a power cut cannot wait for an `apply`.

`closures.json` in the chain's folder, {"mill": [{"start": 1.0, "end": 2.0 or null, "reason": "power cut"}]}, times in
UTC seconds, null for "until it is opened again". Root writes it, the controller reads it; what is past is dropped at
the next write. An `apply` leaves it as it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quietline.chain.in_force import chain_folder
from quietline.errors import ConfigError
from quietline.routing.hours import Closure
from quietline.telephony.private_files import write_private

MAX_REASON = 200  # characters
Closures = dict[str, tuple[Closure, ...]]


def closures_path(state: Path) -> Path:
    """Where they are kept."""
    return chain_folder(state) / "closures.json"


def load(state: Path) -> Closures:
    """Closures by store id; none where there is no file. Raises ConfigError for one that cannot be read."""
    path = closures_path(state)
    try:
        return {store: tuple(map(_closure, each)) for store, each in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(f"{path}: cannot be read; take it away, then close the stores again") from None


def save(state: Path, closures: Mapping[str, tuple[Closure, ...]], now: float) -> None:
    """Replace them all, atomically; those that are over are left out. `now`: UTC seconds."""
    current = {store: [_plain(one) for one in each if one.end > now] for store, each in sorted(closures.items())}
    chain_folder(state).mkdir(mode=0o755, parents=True, exist_ok=True)
    body = json.dumps({store: each for store, each in current.items() if each}, indent=1) + "\n"
    write_private(closures_path(state), body.encode(), 0o644)


def _plain(closure: Closure) -> dict[str, Any]:
    end = None if math.isinf(closure.end) else closure.end
    return {"start": closure.start, "end": end, "reason": closure.reason}


def _closure(each: Mapping[str, Any]) -> Closure:
    end = math.inf if each["end"] is None else float(each["end"])
    return Closure(float(each["start"]), end, str(each["reason"])[:MAX_REASON])
