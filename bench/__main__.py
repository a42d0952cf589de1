"""Run benches: `python -m bench [NAME...] [--long]`; all of them without a name. Slow figures are no failure.

Each bench runs as a process of its own, prints its table and writes bench/out/NAME.json.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = ("calls", "vault", "vault_keys", "ledger", "policy", "relay", "sip_core", "routing", "simulate", "live")


def main(arguments: list[str]) -> int:
    """The exit code: 2 for a name that is none, 1 when a bench could not be run to its end."""
    options = [each for each in arguments if each.startswith("--")]
    names = [each for each in arguments if not each.startswith("--")] or list(NAMES)
    if unknown := set(names) - set(NAMES):
        sys.stderr.write(f"bench: no {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}\n")
        return 2
    broken = [name for name in names if _run(name, options if name == "calls" else []) != 0]
    if broken:
        sys.stderr.write(f"bench: {', '.join(broken)} did not run to the end\n")
    return 1 if broken else 0


def _run(name: str, options: list[str]) -> int:
    print(f"\n{name}", flush=True)
    return subprocess.run([sys.executable, str(HERE / f"{name}.py"), *options], cwd=HERE.parent, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
