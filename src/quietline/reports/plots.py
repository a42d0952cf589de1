"""Plots of a day, as SVG or PNG: how well callers were served, how many came, how many people were there.

Matplotlib is loaded here and nowhere else, when a plot is asked for. The same figures give the same
file, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from quietline.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = (".svg", ".png")
INK, GRID, FAINT = "#1f2933", "#d9dee3", "#7b8794"
SERVED, LOST, PEOPLE, TARGET = "#2563a8", "#d1603d", "#3a7d44", "#7b8794"
OTHER = "#b0418f"
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "path",
    "svg.hashsalt": "quietline",  # names inside the file hang on its content alone
}


@dataclass(frozen=True, slots=True)
class Line:
    """One quantity over the intervals; None where there is none. `spread`: half the width of a band around it."""

    label: str
    values: Sequence[float | None]
    spread: Sequence[float] = ()
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class DayPlot:
    """What is drawn. `starts`: UTC seconds, one for each interval; every line and list is as long."""

    title: str
    starts: Sequence[float]
    zone: ZoneInfo
    levels: Sequence[Line]  # service level, per cent
    target: float | None = None  # per cent
    answered: Sequence[float] = ()
    lost: Sequence[float] = ()
    people: Sequence[Line] = ()
    note: str = ""  # below: which definition, how many days


def check_path(path: Path) -> Path:
    """The path of a plot. Raises ConfigError for a kind that is not drawn, and for a folder that is not there."""
    if path.suffix.lower() not in KINDS:
        raise ConfigError(f"{path}: plots are .svg or .png; give the file one of these endings")
    if not path.resolve().parent.is_dir():
        raise ConfigError(f"{path}: its folder is not there; make it, or name another")
    return path


def draw(plot: DayPlot, path: Path) -> None:
    """Write the file. Raises ConfigError where it cannot be written."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    check_path(path)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 7.4 if plot.people else 6))
        FigureCanvasAgg(figure)
        _panels(figure, plot)
        metadata: dict[str, Any] = {"Date": None} if path.suffix.lower() == ".svg" else {"Software": None}
        try:
            figure.savefig(path, dpi=110, metadata=metadata)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written ({error.strerror}); name another place") from None


def _panels(figure: Figure, plot: DayPlot) -> None:
    count = 1 + bool(plot.answered) + bool(plot.people)
    room = {"left": 0.07, "right": 0.98, "top": 0.89, "bottom": 0.13, "hspace": 0.32}  # no layout engine: the same
    ratios = {"height_ratios": [3, 2.2, 2.2][:count]}  # file every time
    axes = figure.subplots(count, 1, sharex=True, squeeze=False, gridspec_kw=room | ratios)[:, 0]
    figure.text(0.012, 0.965, plot.title, fontsize=14, fontweight="bold", va="center")
    _levels(axes[0], plot)
    if plot.answered:
        _calls(axes[1], plot)
    if plot.people:
        _people(axes[-1], plot)
    _hours(axes[-1], plot)
    if plot.note:
        figure.text(0.012, 0.02, plot.note, fontsize=8, color=FAINT)


def _levels(axes: Axes, plot: DayPlot) -> None:
    for line, colour in zip(plot.levels, (SERVED, OTHER, PEOPLE), strict=False):
        values = _numbers(line.values)
        axes.plot(_middles(plot), values, color=colour, lw=2, marker="o", ms=3.5, label=line.label)
        if line.spread:
            low = [max(0.0, value - half) for value, half in zip(values, line.spread, strict=True)]
            high = [min(100.0, value + half) for value, half in zip(values, line.spread, strict=True)]
            axes.fill_between(_middles(plot), low, high, color=colour, alpha=0.15, lw=0)
    if plot.target is not None:
        axes.axhline(plot.target, color=TARGET, lw=1.2, ls=(0, (5, 3)))
        axes.annotate(
            f"target {plot.target:g} %",
            (1, plot.target),
            (-2, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=TARGET,
            bbox={"fc": "white", "ec": "none", "pad": 0.5, "alpha": 0.8},
        )
    axes.set(ylim=(0, 103), ylabel="%", title="Service level")
    if len(plot.levels) > 1:
        axes.legend(loc="lower left", ncols=len(plot.levels))


def _calls(axes: Axes, plot: DayPlot) -> None:
    width = 0.85 * (plot.starts[1] - plot.starts[0] if len(plot.starts) > 1 else 1.0)
    axes.bar(_middles(plot), plot.answered, width, color=SERVED, alpha=0.75, label="answered")
    axes.bar(_middles(plot), plot.lost, width, bottom=plot.answered, color=LOST, label="lost")
    axes.set(ylabel="calls", title="Calls in each interval")
    axes.legend(loc="upper right", ncols=2)


def _people(axes: Axes, plot: DayPlot) -> None:
    for line, colour in zip(plot.people, (PEOPLE, INK, OTHER), strict=False):
        style = (0, (4, 2)) if line.dashed else "-"
        axes.step(
            _edges(plot),
            [*_numbers(line.values), _numbers(line.values)[-1]],
            where="post",
            color=colour,
            lw=1.8,
            ls=style,
            label=line.label,
        )
    axes.set(ylabel="agents", title="People")
    axes.set_ylim(0, 1.25 * max((value for line in plot.people for value in line.values if value), default=1.0))
    axes.legend(loc="upper right", ncols=len(plot.people))


def _hours(axes: Axes, plot: DayPlot) -> None:
    """Ticks at whole hours of the zone's clock, thinned to a dozen or so."""
    edges = _edges(plot)
    whole = [at for at in edges if datetime.fromtimestamp(at, plot.zone).minute == 0]
    shown = whole[:: max(1, len(whole) // 13 + 1)] if len(whole) > 13 else whole
    axes.set_xticks(shown, [f"{datetime.fromtimestamp(at, plot.zone):%H:%M}" for at in shown])
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel(f"{datetime.fromtimestamp(plot.starts[0], plot.zone):%A %d %B %Y}, {plot.zone.key}")


def _edges(plot: DayPlot) -> list[float]:
    starts = list(plot.starts)
    width = starts[-1] - starts[-2] if len(starts) > 1 else 1_800.0
    return [*starts, starts[-1] + width]


def _middles(plot: DayPlot) -> list[float]:
    edges = _edges(plot)
    return [(a + b) / 2 for a, b in pairwise(edges)]


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]
