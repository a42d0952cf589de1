"""Dialled number to store to flow."""

from __future__ import annotations

import pytest

from quietline.routing.stores import Dialled, Listed, directory

MILL = Listed("mill", "shop", ("+442079460103",))
HUB = Listed("hub", "centre", ("+442079460100", "+442079460199"))


def test_each_number_leads_to_its_store_and_flow() -> None:
    book = directory([MILL, HUB])
    assert book.dialled("+442079460103") == Dialled("mill", "shop", True)
    assert book.dialled("+442079460199") == Dialled("hub", "centre", True)


@pytest.mark.parametrize("number", ["+442079460111", "", "anonymous", "+44207946010"])
def test_another_number_comes_out_at_the_default_store_and_that_is_said(number: str) -> None:
    assert directory([MILL, HUB]).dialled(number) == Dialled("mill", "shop", False)
    assert directory([MILL, HUB], default="hub").dialled(number) == Dialled("hub", "centre", False)


def test_two_stores_on_one_number() -> None:
    with pytest.raises(ValueError, match=r"\+442079460103 belongs to mill and to twin"):
        directory([MILL, Listed("twin", "shop", ("+442079460103",))])


def test_no_default() -> None:
    with pytest.raises(ValueError, match="no store 'moon'"):
        directory([MILL], default="moon")
    with pytest.raises(ValueError, match="no store"):
        directory([])
