"""Names for callers: two plain words, drawn anew for each call, so that nothing of the number can be in them."""

from __future__ import annotations

import secrets

_COLOURS = (  # noqa: SIM905 - reads better than fifty strings
    "Amber Ashen Auburn Azure Beige Blue Bronze Brown Cherry Cobalt Copper Coral Cream Crimson Cyan Ebony Emerald Fawn "
    "Flaxen Garnet Golden Green Hazel Indigo Ivory Jade Khaki Lilac Lime Mauve Ochre Olive Opal Orange Pearl Pink Plum "
    "Purple Red Rose Ruby Russet Saffron Sage Sand Scarlet Sepia Silver Slate Snowy Tan Tawny Teal Umber Violet White"
).split()
_BIRDS = (  # noqa: SIM905
    "Avocet Bittern Blackbird Bluetit Bunting Buzzard Chaffinch Coot Crane Crow Cuckoo Curlew Dipper Dove Dunlin Eider "
    "Falcon Finch Gannet Goldcrest Grebe Grouse Gull Harrier Heron Hoopoe Jackdaw Jay Kestrel Kite Lapwing Lark "
    "Linnet Magpie Martin Merlin Nightjar Nuthatch Oriole Osprey Owl Partridge Petrel Pipit Plover Puffin Quail Raven "
    "Redstart Robin Rook Sandpiper Shrike Siskin Skylark Snipe Sparrow Starling Stork Swallow Swan Swift Tern Wren"
).split()


def alias() -> str:
    """For example "Amber Heron": about 3,700 of them, no digit in any."""
    return f"{secrets.choice(_COLOURS)} {secrets.choice(_BIRDS)}"
