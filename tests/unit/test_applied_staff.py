"""The list of people, as `quietline apply` hands it over: read whole, or refused by place and never by login."""

from __future__ import annotations

from typing import Any

import pytest

from quietline.errors import ConfigError
from quietline.vault.applied_staff import MAX_PEOPLE, read_people


def person(**changes: Any) -> dict[str, Any]:
    plain = {"login": "mia", "name": "Mia Thornfold", "role": "agent", "store": "hub", "skills": ["orders:4"]}
    return {**plain, **changes}


def test_a_list_is_read() -> None:
    (mia, noor) = read_people([person(), person(login="noor", role="supervisor", skills=["lang:fr"])])
    assert (mia.role, mia.store, mia.skills) == ("agent", "hub", {"orders": 4})
    assert (noor.role, noor.skills) == ("supervisor", {"lang:fr": 3})
    assert "Mia" not in repr(mia)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("mia", "give login, name, role, skills, store"),
        ({"login": "mia"}, "give login, name, role, skills, store"),
        (person(password="secret"), "nothing else"),
        (person(login=""), "1 to 254"),
        (person(login=7), "1 to 254"),
        (person(name="  "), "1 to 254"),
        (person(store="x" * 255), "1 to 254"),
        (person(role="administrator"), "agent or supervisor"),
        (person(role="queen"), "agent or supervisor"),
        (person(skills="orders"), "list of texts"),
        (person(skills=[4]), "list of texts"),
        (person(skills=["orders:9"]), "level after the colon"),
        (person(skills=["orders", "orders:2"]), "given twice"),
        (person(login=" NOOR "), r"same login as agents\[0\]"),
    ],
)
def test_a_wrong_line_is_named_by_its_place(wrong: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"agents\[1\]: .*{said}") as refused:
        read_people([person(login="noor"), wrong])
    assert "mia" not in str(refused.value).lower().replace("'mia'", "")
    assert "noor" not in str(refused.value).lower()


@pytest.mark.parametrize("raw", [None, {}, "mia", [person()] * (MAX_PEOPLE + 1)])
def test_what_is_no_list_is_refused(raw: Any) -> None:
    with pytest.raises(ConfigError, match="a list of at most"):
        read_people(raw)
