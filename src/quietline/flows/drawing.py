"""A flow as a picture: SVG 1.1, one box a step, one arrow a way. No script, no font and no address of anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from xml.sax.saxutils import escape

from quietline.flows.layered import Arrow, Box, Layout, Route, arrange
from quietline.routing import flow as f
from quietline.telephony.prompt_scripts import Recorded, Scripts

MARGIN = 32.0
STEM = 20.0  # straight down beside the label, before the curve
LINE, PAD = 17.0, 12.0
NAME, TEXT, LABEL = 7.9, 6.3, 5.9  # mean width of a character: names at 14 px bold, text at 12 px, labels at 11 px
WIDEST = 30  # characters of a line of text in a box
LABEL_WIDEST = 24
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"

# Ground, border and word of each kind of step
LOOKS: Mapping[str, tuple[str, str, str]] = {
    "notice": ("#eef3f8", "#7793ad", "says"),
    "play": ("#eef3f8", "#7793ad", "says"),
    "menu": ("#fdf5e3", "#c2913a", "menu"),
    "consent": ("#fdf5e3", "#c2913a", "consent"),
    "collect": ("#fdf5e3", "#c2913a", "digits"),
    "verify": ("#fdf5e3", "#c2913a", "one-time code"),
    "callback": ("#fdf5e3", "#c2913a", "callback"),
    "hours": ("#f3eefa", "#8d74b8", "hours"),
    "branch": ("#f3eefa", "#8d74b8", "by"),
    "queue": ("#e8f5ec", "#4d9467", "queue"),
    "transfer": ("#f0f0f0", "#808080", "to store"),
    "hang_up": ("#faedec", "#b9655d", "end"),
}


@dataclass(frozen=True, slots=True)
class Card:
    """A step as it is drawn: its lines, and a slot below for each way's label."""

    name: str
    kind: str
    lines: tuple[str, ...] = field(repr=False)
    ways: tuple[f.Way, ...]
    slots: tuple[float, ...]  # width of each way's label
    width: float

    @property
    def height(self) -> float:
        return 2 * PAD + LINE * (1 + len(self.lines)) - 2

    def port(self, number: int) -> float:
        """Where the way of this number leaves, from the left edge."""
        spare = (self.width - sum(self.slots)) / (len(self.slots) or 1)
        return sum(self.slots[:number]) + self.slots[number] / 2 + spare * (number + 0.5)


def draw(flow: f.Flow, scripts: Scripts | None = None) -> str:
    """The picture. `scripts`: the words of the prompts, shown in part; without them their names are."""
    cards = {name: _card(name, step, flow, scripts or {}) for name, step in flow.steps.items()}
    arrows = [
        Arrow(card.name, way.to, card.port(number))
        for card in cards.values()
        for number, way in enumerate(card.ways)
        if way.to in cards
    ]
    boxes = [Box(card.name, card.width, card.height) for card in cards.values()]
    layout = arrange(boxes, arrows, flow.start)
    return _svg(flow, cards, arrows, layout)


def _card(name: str, step: f.FlowStep, flow: f.Flow, scripts: Scripts) -> Card:
    lines = tuple(_lines(step, flow, scripts))
    ways = tuple(way for way in step.ways() if way.to)
    slots = tuple(max(LABEL * len(_cut(way.label, LABEL_WIDEST)) + 14, 24.0) for way in ways)
    text = max([NAME * len(_cut(name, WIDEST)), *(TEXT * len(line) for line in lines)])
    return Card(name, step.kind, lines, ways, slots, max(text + 2 * PAD, sum(slots), 96.0))


def _lines(step: f.FlowStep, flow: f.Flow, scripts: Scripts) -> list[str]:
    """What stands below the name: the kind with its object, then the first words that are heard."""
    word = LOOKS[step.kind][2]
    match step:
        case f.Queue():
            needs = ", ".join(f"{need.skill}{f' ≥ {need.level}' if need.level > 1 else ''}" for need in step.needs)
            more = [f"needs {needs}"] if needs else []
            ends = [
                each for each, to in (("too long: sorry, end", step.waited), ("closed: end", step.closed)) if not to
            ]
            return [_cut(line, WIDEST) for line in (f"{word} {step.queue}", *more, *ends)]
        case f.Branch():
            return [f"{word} {step.on}"]
        case f.Hours():
            return [f"{word} of {step.queue or 'the store'}"]
        case f.Transfer():
            return [f"{word} {step.store}"]
        case f.Verify():
            return [word]
        case f.Consent():
            return [_cut(f"{word} {step.wording} {step.version}", WIDEST), *_quoted(step.say, flow, scripts)]
        case _:
            return [word, *_quoted(step.say, flow, scripts)]


def _quoted(prompt: str, flow: f.Flow, scripts: Scripts) -> list[str]:
    pieces = scripts.get((prompt, flow.languages[0]), ())
    if not pieces:
        return [_cut(prompt, WIDEST)] if prompt and not prompt.startswith("menu ") else []
    text = " ".join(piece.path.name if isinstance(piece, Recorded) else piece.text for piece in pieces)
    return [f"“{_cut(text, WIDEST - 2)}”"]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip(" .,") + "…"


# SVG


def _svg(flow: f.Flow, cards: Mapping[str, Card], arrows: list[Arrow], layout: Layout) -> str:
    width, height = layout.width + 2 * MARGIN + 24, layout.height + 2 * MARGIN
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}" font-family="{FONT}" role="img">'
        ),
        f"<title>Call flow {escape(flow.id)}: {len(flow.steps)} steps</title>",
        (
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0.5 8 4 0 7.5z" fill="#5b6670"/></marker></defs>'
        ),
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="10" fill="#ffffff"/>',
        f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
        *(_arrow(route, layout.width) for route in layout.routes),
        *(_box(cards[name], place, name == flow.start) for name, place in layout.places.items()),
        *(_label(cards, layout, arrow) for arrow in arrows),
        "</g></svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _arrow(route: Route, width: float) -> str:
    points = route.points
    path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}v{STEM:.0f}"]
    points = ((points[0][0], points[0][1] + STEM), *points[1:])
    if route.back:
        path.append(_around(points))
    else:
        for (x0, y0), (x1, y1) in pairwise(points):
            bend = max((y1 - y0) / 2, 14)
            path.append(f"C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}")
    dash = ' stroke-dasharray="5 4"' if route.back else ""
    return f'<path d="{"".join(path)}" fill="none" stroke="#5b6670" stroke-width="1.3"{dash} marker-end="url(#tip)"/>'


def _around(points: tuple[tuple[float, float], ...]) -> str:
    """A way back: down out of its box, up through its bends, into the target's side from the right."""
    (x0, y0), (x1, y1) = points[0], points[-1]
    between = points[1:-1] or ((max(x0, x1) + 26, (y0 + y1) / 2),)
    first = between[0]
    path = [f"C{x0:.1f} {y0 + 16:.1f} {first[0]:.1f} {y0 + 16:.1f} {first[0]:.1f} {first[1]:.1f}"]
    for (ax, ay), (bx, by) in pairwise(between):
        middle = (ay + by) / 2
        path.append(f"C{ax:.1f} {middle:.1f} {bx:.1f} {middle:.1f} {bx:.1f} {by:.1f}")
    last = between[-1]
    path.append(f"C{last[0]:.1f} {last[1] - 30:.1f} {x1 + 34:.1f} {y1:.1f} {x1:.1f} {y1:.1f}")
    return "".join(path)


def _box(card: Card, place: tuple[float, float], first: bool) -> str:
    x, y = place
    ground, border, _ = LOOKS[card.kind]
    middle = x + card.width / 2
    rows = [
        f'<text x="{middle:.1f}" y="{y + PAD + 11 + LINE * (number + 1):.1f}" font-size="12" fill="#44505a" '
        f'text-anchor="middle">{escape(line)}</text>'
        for number, line in enumerate(card.lines)
    ]
    return "\n".join(
        [
            (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{card.width:.1f}" height="{card.height:.1f}" rx="8" '
                f'fill="{ground}" stroke="{border}" stroke-width="{2.6 if first else 1.3}"/>'
            ),
            (
                f'<text x="{middle:.1f}" y="{y + PAD + 11:.1f}" font-size="14" font-weight="600" fill="#1c2830" '
                f'text-anchor="middle">{escape(_cut(card.name, WIDEST))}</text>'
            ),
            *rows,
        ]
    )


def _label(cards: Mapping[str, Card], layout: Layout, arrow: Arrow) -> str:
    card = cards[arrow.source]
    way = next(way for number, way in enumerate(card.ways) if card.port(number) == arrow.port)
    if not way.label:
        return ""
    x, y = layout.places[arrow.source]
    return (
        f'<text x="{x + arrow.port:.1f}" y="{y + card.height + 14:.1f}" font-size="11" fill="#5b6670" '
        f'text-anchor="middle" stroke="#ffffff" stroke-width="4" paint-order="stroke">'
        f"{escape(_cut(way.label, LABEL_WIDEST))}</text>"
    )
