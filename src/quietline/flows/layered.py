"""Layered layout of a directed graph, top to bottom (Sugiyama, Tagawa, Toda 1981). Pure; used to draw call flows.

Ways back are turned round for the layout, long ways get a bend in every layer they cross, layers are ordered by the
mean place of their neighbours, and boxes are moved toward their neighbours as far as their order allows. Pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

GAP = 28.0  # between boxes of a layer
LAYER_GAP = 82.0  # between layers: room for a label and a curve
BEND = 10.0  # width of a place where a long way crosses a layer
SWEEPS = 12  # up and down, for the order; more changes little at a hundred boxes
PULLS = 24


@dataclass(frozen=True, slots=True)
class Box:
    """Something to place."""

    id: str
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Arrow:
    """A way from one box to another. `port`: where it leaves, from the left edge of its box."""

    source: str
    target: str
    port: float


@dataclass(frozen=True, slots=True)
class Route:
    """An arrow's points, from its source to its target. `back`: it leads up again."""

    points: tuple[tuple[float, float], ...]
    back: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is: the top left corner of each box, the routes in the order of the arrows, the size of all."""

    places: Mapping[str, tuple[float, float]] = field(repr=False)
    routes: tuple[Route, ...]
    width: float
    height: float


@dataclass(slots=True)
class _Graph:
    """Boxes and bends in layers. `links`: pairs one layer apart, upper first, with the x offset of the upper end."""

    widths: dict[str, float] = field(repr=False)
    layers: list[list[str]] = field(repr=False)
    links: list[tuple[str, str, float]] = field(default_factory=list, repr=False)
    left: dict[str, float] = field(default_factory=dict, repr=False)

    def middle(self, node: str) -> float:
        return self.left[node] + self.widths[node] / 2


def arrange(boxes: Sequence[Box], arrows: Sequence[Arrow], start: str) -> Layout:
    """Place everything. Every box is drawn, also those that nothing leads to."""
    by_id = {box.id: box for box in boxes}
    back = _ways_back([box.id for box in boxes], arrows, start)
    layer = _layering(list(by_id), arrows, back)
    graph = _Graph({box.id: box.width for box in boxes}, [[] for _ in range(max(layer.values(), default=0) + 1)])
    for name in by_id:
        graph.layers[layer[name]].append(name)
    chains = [_chain(graph, number, arrow, number in back, layer) for number, arrow in enumerate(arrows)]
    _order(graph)
    _place(graph)
    return _drawn(graph, by_id, arrows, chains, back)


def _ways_back(names: list[str], arrows: Sequence[Arrow], start: str) -> set[int]:
    """The arrows that close a cycle, found depth first from the start."""
    leaving: dict[str, list[int]] = {name: [] for name in names}
    for number, arrow in enumerate(arrows):
        leaving[arrow.source].append(number)
    back: set[int] = set()
    done: set[str] = set()
    for root in [start, *names]:
        on_path: set[str] = set()
        stack: list[tuple[str, bool, int]] = [(root, False, -1)]
        while stack:
            name, finished, by = stack.pop()
            if finished:
                on_path.discard(name)
                done.add(name)
            elif name in on_path:
                back.add(by)
            elif name not in done:
                on_path.add(name)
                stack.append((name, True, -1))
                stack += [(arrows[each].target, False, each) for each in reversed(leaving[name])]
    return back


def _layering(names: list[str], arrows: Sequence[Arrow], back: set[int]) -> dict[str, int]:
    """Each box one layer below the lowest that leads to it."""
    layer = dict.fromkeys(names, 0)
    for _ in names:
        moved = False
        for number, arrow in enumerate(arrows):
            if number not in back and layer[arrow.target] <= layer[arrow.source]:
                layer[arrow.target] = layer[arrow.source] + 1
                moved = True
        if not moved:
            break
    return layer


def _chain(graph: _Graph, number: int, arrow: Arrow, back: bool, layer: Mapping[str, int]) -> list[str]:
    """The nodes an arrow passes, upper end first; bends are made for the layers between."""
    upper, lower = (arrow.target, arrow.source) if back else (arrow.source, arrow.target)
    chain = [upper]
    for between in range(layer[upper] + 1, layer[lower]):
        bend = f"\0{number}\0{between}"
        graph.widths[bend] = BEND
        graph.layers[between].append(bend)
        chain.append(bend)
    chain.append(lower)
    for high, low in pairwise(chain) if upper != lower else ():
        offset = arrow.port if high == arrow.source else graph.widths[high] / 2
        graph.links.append((high, low, offset))
    return chain


def _order(graph: _Graph) -> None:
    above, below = _neighbours(graph)
    for _ in range(SWEEPS):
        for layer in graph.layers[1:]:
            _sort(layer, above, graph)
        for layer in reversed(graph.layers[:-1]):
            _sort(layer, below, graph)
    for layer in graph.layers[1:]:
        _sort(layer, above, graph)


def _neighbours(graph: _Graph) -> tuple[dict[str, list[tuple[str, float]]], dict[str, list[tuple[str, float]]]]:
    """For each node, those above and below it, with where on the upper one the link leaves (0 to 1)."""
    above: dict[str, list[tuple[str, float]]] = {name: [] for name in graph.widths}
    below: dict[str, list[tuple[str, float]]] = {name: [] for name in graph.widths}
    for high, low, offset in graph.links:
        above[low].append((high, offset / graph.widths[high]))
        below[high].append((low, offset / graph.widths[high]))
    return above, below


def _sort(layer: list[str], neighbours: Mapping[str, list[tuple[str, float]]], graph: _Graph) -> None:
    ranks = {name: place for each in graph.layers for place, name in enumerate(each)}

    def key(name: str) -> float:
        near = neighbours[name]
        return sum(ranks[other] + part for other, part in near) / len(near) if near else ranks[name] + 0.5

    keys = {name: key(name) for name in layer}
    layer.sort(key=lambda name: keys[name])


def _place(graph: _Graph) -> None:
    """Left to right without gaps, then each layer pulled toward its neighbours, down and up in turn."""
    for layer in graph.layers:
        x = 0.0
        for name in layer:
            graph.left[name] = x
            x += graph.widths[name] + GAP
    over, under = _anchors(graph)
    for pull in range(PULLS):
        down = pull % 2 == 0
        for layer in graph.layers if down else reversed(graph.layers):
            first, second = (over, under) if down or pull > PULLS // 2 else (under, over)
            _settle(layer, {name: _wish(graph, name, first[name] or second[name]) for name in layer}, graph)
    least = min(graph.left.values(), default=0.0)
    for name in graph.left:
        graph.left[name] -= least


Anchors = dict[str, list[tuple[str, float]]]  # for a node: a neighbour, and how far right of its left edge to be


def _anchors(graph: _Graph) -> tuple[Anchors, Anchors]:
    """Where each node's middle would like to be: under what leads to it, and over what it leads to."""
    over: Anchors = {name: [] for name in graph.widths}
    under: Anchors = {name: [] for name in graph.widths}
    for high, low, offset in graph.links:
        over[low].append((high, offset))
        under[high].append((low, graph.widths[low] / 2 - offset + graph.widths[high] / 2))
    return over, under


def _wish(graph: _Graph, name: str, anchors: list[tuple[str, float]]) -> float:
    near = [graph.left[other] + offset for other, offset in anchors]
    return sum(near) / len(near) if near else graph.middle(name)


def _settle(layer: list[str], wishes: Mapping[str, float], graph: _Graph) -> None:
    """Each as near to its wish as the order allows: neighbours that would overlap become one block at their mean."""
    blocks: list[tuple[list[str], float]] = []  # nodes, left edge
    for name in layer:
        blocks.append(([name], wishes[name] - graph.widths[name] / 2))
        while len(blocks) > 1 and blocks[-2][1] + _span(blocks[-2][0], graph) > blocks[-1][1]:
            (right, _), (left, _) = blocks.pop(), blocks.pop()
            blocks.append(([*left, *right], _best([*left, *right], wishes, graph)))
    for names, edge in blocks:
        for name in names:
            graph.left[name] = edge
            edge += graph.widths[name] + GAP


def _span(names: list[str], graph: _Graph) -> float:
    return sum(graph.widths[name] + GAP for name in names)


def _best(names: list[str], wishes: Mapping[str, float], graph: _Graph) -> float:
    """The left edge of a block that is the mean of what its nodes wish."""
    edge, wished = 0.0, 0.0
    for name in names:
        wished += wishes[name] - graph.widths[name] / 2 - edge
        edge += graph.widths[name] + GAP
    return wished / len(names)


def _drawn(
    graph: _Graph, boxes: Mapping[str, Box], arrows: Sequence[Arrow], chains: list[list[str]], back: set[int]
) -> Layout:
    tops, bottoms, y = [], [], 0.0
    for layer in graph.layers:
        tops.append(y)
        bottoms.append(y + max((boxes[name].height for name in layer if name in boxes), default=0.0))
        y = bottoms[-1] + LAYER_GAP
    level = {name: number for number, layer in enumerate(graph.layers) for name in layer}
    places = {name: (graph.left[name], tops[level[name]]) for name in boxes}
    routes = []
    for number, (arrow, chain) in enumerate(zip(arrows, chains, strict=True)):
        bends = [(graph.middle(name), y) for name in chain[1:-1] for y in (tops[level[name]], bottoms[level[name]])]
        routes.append(_route(arrow, boxes, places, bends[::-1] if number in back else bends, number in back))
    width = max((places[name][0] + box.width for name, box in boxes.items()), default=0.0)
    width = max([width, *(x for route in routes for x, _ in route.points)])
    return Layout(places, tuple(routes), width, max(y - LAYER_GAP, 0.0))


def _route(
    arrow: Arrow,
    boxes: Mapping[str, Box],
    places: Mapping[str, tuple[float, float]],
    bends: Iterable[tuple[float, float]],
    back: bool,
) -> Route:
    """Down: from the port to the top of the target. Back: from the port round the side into the target's right edge."""
    x, y = places[arrow.source]
    to_x, to_y = places[arrow.target]
    leave = (x + arrow.port, y + boxes[arrow.source].height)
    target = boxes[arrow.target]
    reach = (to_x + target.width, to_y + target.height / 2) if back else (to_x + target.width / 2, to_y)
    return Route((leave, *bends, reach), back)
