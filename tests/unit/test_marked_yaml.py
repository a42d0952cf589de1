"""YAML without its surprises, each value with its line; hostile files get an error with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import ConfigError
from quietline.files.marked_yaml import MAX_BYTES, MAX_DEPTH, dump, load, parse, written


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("off", "off"),
        ("True", "True"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", "~"),
        ("", None),
        ("9:30", "9:30"),
        ("2026-12-25", "2026-12-25"),
        ("+442079460101", "+442079460101"),
        ("442079460101", 442079460101),
        ("020 7946 0101", "020 7946 0101"),
        ("007", "007"),
        ("0o17", "0o17"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("-3", -3),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        (".5", ".5"),
        (".inf", ".inf"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("|\n  5\n", "5\n"),
    ],
)
def test_only_what_everybody_expects_is_resolved(text: str, value: object) -> None:
    found = parse(f"key: {text}\n", "f.yaml").value["key"]
    assert (found, type(found)) == (value, type(value))


def test_keys_are_texts() -> None:
    assert parse("1: a\ntrue: b\n'*': c\n", "f").value == {"1": "a", "true": "b", "*": "c"}


def test_each_value_has_its_line() -> None:
    file = parse("stores:\n  mill:\n    numbers:\n    - '+1'\n    - '+2'\n\n  north: {name: N}\n", "f")
    places = {written(place): line for place, line in file.lines.items()}
    assert places["stores.mill"] == 2
    assert places["stores.mill.numbers[0]"] == 4
    assert places["stores.mill.numbers[1]"] == 5
    assert places["stores.north.name"] == 7
    assert file.line(("stores", "north", "zone")) == 7, "what is missing is where it should be"
    assert file.line(("nothing",)) == 1


def test_a_message_names_file_line_key() -> None:
    file = parse("a:\n  - b: 1\n", "chain.yaml")
    assert str(file.error(("a", 0, "b"), "wrong; mend it")) == "chain.yaml:2: a[0].b: wrong; mend it"
    assert file.says((), "wrong") == "chain.yaml:1: wrong"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb:\n\tc: 2\n", 3, "indent with spaces"),
        ("a: 1\nb: 2\na: 3\n", 3, "a: stands on line 1 too"),
        ("x:\n  a: 1\n  a: 2\n", 3, "x.a: stands on line 2 too"),
        ("a: &x 1\n", 1, "anchors"),
        ("&x a: 1\n", 1, "anchors"),
        ("a: 1\nb: *x\n", 2, "anchors"),
        ("a: !!python/object/apply:os.system [x]\n", 1, "tags"),
        ("<<: {a: 1}\n", 1, "merge"),
        ("? [1]\n: 2\n", 1, "as a key"),
        ("? {a: 1}\n: 2\n", 1, "as a key"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 1\nb: c: d\n", 2, "not YAML"),
        ("a: 'never closed\n", 2, "not YAML"),
        ("a: 1\nb: \x07\n", 2, "control character"),
        ("a: 1234567890123456789\n", 1, "put it in quotes"),
        ("a: 1e999\n", 1, "put it in quotes"),
        ("[" * (MAX_DEPTH + 2), 1, "levels"),
        ("- " * 100_000, 1, "levels"),
        ("{" * 100_000, 1, "not YAML"),
        ("a: \ud800\n", 1, "not UTF-8"),
    ],
)
def test_hostile_and_mistaken_files(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(text, "chain.yaml")
    assert str(refused.value).startswith(f"chain.yaml:{line}: ")
    assert words in str(refused.value)


def test_not_utf8_names_the_line() -> None:
    with pytest.raises(ConfigError, match=r"^f:3: is not UTF-8"):
        parse(b"a: 1\nb: 2\nc: \xff\n", "f")


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert parse(b"\xef\xbb\xbfa: 1\n", "f").value == {"a": 1}


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than 8 MiB"):
        load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read \(No such file"):
        load(tmp_path / "none.yaml")


def test_an_empty_file_is_nothing() -> None:
    assert parse("", "f").value is None
    assert parse("# a comment\n", "f").value is None


def test_nothing_is_shown_of_the_values() -> None:
    assert "secret" not in repr(parse("a: secret\n", "f"))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")))
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text("abcxyz", min_size=1), below, max_size=4),
)


@given(VALUES)
def test_what_is_written_with_quotes_is_read_again(value: object) -> None:
    assert parse(flow_style(value), "f").value == value


@given(VALUES)
def test_what_is_dumped_is_read_again(value: object) -> None:
    assert parse(dump(value), "f").value == value


@pytest.mark.parametrize(
    "text", ["1e3", "no", "9:30", "2026-12-25", "null", "", "~", "+44", "a: b", "# x", "*", "<<", "é"]
)
def test_texts_stay_texts(text: str) -> None:
    assert parse(dump({"key": text, text or "x": [text]}), "f").value == {"key": text, text or "x": [text]}


def flow_style(value: object) -> str:
    """YAML's flow style, every text in quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}": {flow_style(each)}' for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow_style, value)) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "null" if value is None else str(value).lower()


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_read_or_refused_with_the_file_named(data: bytes) -> None:
    try:
        parse(data, "chain.yaml")
    except ConfigError as error:
        assert str(error).startswith("chain.yaml:")  # noqa: PT017 - either way is right
