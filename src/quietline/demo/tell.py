"""The demo's voice: a timeline a manager understands, and every check with what was really found."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, looked at. `found` is what was measured, also when it holds."""

    claim: str
    holds: bool
    found: str


class Teller:
    """Prints as things happen, and remembers the checks. Seconds count from the first word."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.checks: list[Check] = []
        self.timeline: list[dict[str, str | float]] = []
        self._began = time.monotonic()

    def chapter(self, title: str) -> None:
        self.console.print(f"\n[bold]{title}[/]")

    def happened(self, what: str, detail: str = "") -> None:
        """One line of the timeline."""
        seconds = time.monotonic() - self._began
        self.timeline.append({"seconds": round(seconds, 2), "what": what, "detail": detail})
        self.console.print(f"[dim]{seconds:7.2f} s[/]  {what}" + (f"  [dim]{detail}[/]" if detail else ""))

    def check(self, claim: str, holds: bool, found: str) -> bool:
        """One claim with what was found; the verdict remembers it."""
        self.checks.append(Check(claim, holds, found))
        mark = "[green]✓[/]" if holds else "[bold red]✗[/]"
        self.console.print(f"         {mark} {claim}  [dim]{found}[/]")
        return holds

    def close(self, report: Path) -> bool:
        """The verdict, and the whole story as JSON beside the screenshots. True when every check holds."""
        failed = [check for check in self.checks if not check.holds]
        report.parent.mkdir(parents=True, exist_ok=True)
        checks = [asdict(check) for check in self.checks]
        report.write_text(json.dumps({"timeline": self.timeline, "checks": checks}, indent=2, ensure_ascii=False))
        verdict = "[bold green]Every check holds.[/]" if not failed else f"[bold red]{len(failed)} checks failed.[/]"
        self.console.print(f"\n{verdict} {len(self.checks)} checks, {time.monotonic() - self._began:.0f} s.")
        for check in failed:
            self.console.print(f"  [red]✗ {check.claim}: {check.found}[/]")
        return not failed
