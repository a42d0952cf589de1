"""Rows of hostile files: each is read or told with its reason, and so is the next one; memory is flat."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.customers.rows import MAX_LINES, MAX_ROW, CsvRows, JsonRows, Row, cell_of
from quietline.errors import ConfigError

HEADER = b"id,name,phone\n"


def rows(data: bytes, **options: Any) -> list[Row]:
    return list(CsvRows(io.BytesIO(data), "c.csv", **options).read())


def values(data: bytes, **options: Any) -> list[list[str]]:
    return [list(row.value.values()) for row in rows(data, **options)]


def problems(data: bytes, **options: Any) -> list[tuple[int, str]]:
    return [(row.line, row.problem) for row in rows(data, **options)]


# CSV


def test_rows_are_read_with_their_lines() -> None:
    read = rows(HEADER + b'1,"Ana\nExample",x\n\n2,"say ""hi""",y\n')
    assert [(row.line, row.value) for row in read] == [
        (2, {"id": "1", "name": "Ana\nExample", "phone": "x"}),
        (5, {"id": "2", "name": 'say "hi"', "phone": "y"}),
    ]


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_a_last_line_without_an_end_and_both_line_ends(ends: bytes) -> None:
    assert values(HEADER.replace(b"\n", ends) + b"1,a,b" + ends + b"2,c,d") == [["1", "a", "b"], ["2", "c", "d"]]


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    assert rows(b"\xef\xbb\xbf" + HEADER + b"1,a,b\n")[0].value == {"id": "1", "name": "a", "phone": "b"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_said(encoding: str) -> None:
    data = "\ufeffid,name\n".encode(encoding) if encoding.endswith("be") else "id,name\n".encode(encoding)
    with pytest.raises(ConfigError, match="UTF-16; save it as UTF-8"):
        rows(data)


def test_a_wrong_encoding_is_told_row_by_row_and_mended_by_naming_it() -> None:
    data = HEADER + "1,Zoë,a\n2,Ana,b\n".encode("windows-1252")
    assert problems(data)[0] == (2, "is not utf-8; save the file so, or name its `encoding` in the mapping")
    assert rows(data)[1].value["name"] == "Ana"
    assert rows(data, encoding="windows-1252")[0].value["name"] == "Zoë"


def test_a_nul_is_told() -> None:
    assert problems(HEADER + b"1,a\0b,c\n2,d,e\n") == [(2, "holds a NUL"), (3, "")]


@pytest.mark.parametrize(
    ("row", "count"), [(b"1,a\n", 2), (b"1,a,b,c\n", 4), (b"1\n", 1)], ids=["too few", "too many", "one"]
)
def test_another_number_of_columns_is_told(row: bytes, count: int) -> None:
    assert problems(HEADER + row + b"2,d,e\n") == [(2, f"has {count} columns where the header has 3"), (3, "")]


def test_a_quote_in_the_middle_is_told() -> None:
    assert problems(HEADER + b'1,"a"b"c",x\n2,d,e\n')[0][1].startswith('has a quote (")')


def test_a_quote_that_is_not_closed_costs_its_own_row_only() -> None:
    told = problems(HEADER + b'1,"Ana,x\n2,Bob,y\n3,Cy,z\n')
    assert told == [(2, "opens a quote that is not closed; is the file cut off?"), (3, ""), (4, "")]


def test_a_file_cut_off_in_a_quote_says_so() -> None:
    assert problems(HEADER + b'1,a,b\n2,"c')[-1] == (3, "opens a quote that is not closed; is the file cut off?")


def test_a_field_of_10_mb_is_told_and_memory_stays_flat() -> None:
    file = io.BytesIO(HEADER + b"1," + b"x" * 10_000_000 + b",y\n2,d,e\n")
    tracemalloc.start()
    told = [(row.line, row.problem) for row in CsvRows(file, "c.csv").read()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert told == [(2, "is longer than 1024 KiB"), (3, "")]
    assert peak < 6 * MAX_ROW


def test_a_long_row_of_many_short_lines_is_given_up() -> None:
    data = HEADER + b'1,"' + b"x\n" * (MAX_LINES + 5) + b'",y\n2,d,e\n'
    told = problems(data)
    assert told[0] == (2, "opens a quote that is not closed; is the file cut off?")
    assert told[-1] == (MAX_LINES + 8, "")


def test_a_row_too_long_in_all_is_given_up() -> None:
    line = b"x" * 400_000 + b"\n"
    assert problems(HEADER + b'1,"' + line * 3 + b'",y\n')[0] == (2, "is longer than 1024 KiB")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"id,name,id\n1,a,2\n", "`id` stands twice"),
        (b'id,"na\n', "the header opens a quote"),
        (b"id,\xff\n", "the header is not utf-8"),
        (b",".join(b"c%d" % n for n in range(1_001)) + b"\n", "more than 1000 columns"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=r"c\.csv") as error:
        rows(data)
    assert says in str(error.value)


def test_another_delimiter() -> None:
    assert values(b"id;name\n1;a,b\n", delimiter=";") == [["1", "a,b"]]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20)
TABLE = st.lists(st.tuples(st.integers(1, 99).map(str), CELL, CELL), max_size=20)


@given(TABLE, st.sampled_from(["\r\n", "\n"]))
def test_what_a_writer_writes_is_read_back(table: list[tuple[str, str, str]], ends: str) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator=ends).writerows([("id", "name", "phone"), *table])
    read = rows(text.getvalue().encode())
    assert [tuple(row.value.values()) for row in read if not row.problem] == table


@given(TABLE, st.data())
def test_going_on_behind_any_row_gives_the_rest(table: list[tuple[str, str, str]], data: st.DataObject) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("id", "name", "phone"), *table])
    whole = CsvRows(io.BytesIO(text.getvalue().encode()), "c.csv")
    every = list(whole.read())
    if every:
        place = data.draw(st.integers(0, len(every) - 1))
        assert list(whole.read(every[place].after)) == every[place + 1 :]


@given(st.binary(max_size=400))
def test_whatever_the_bytes_reading_ends_and_every_row_lies_behind_the_last(noise: bytes) -> None:
    before = 0
    for row in rows(HEADER + noise):
        assert row.line > before
        assert bool(row.problem) != bool(row.value)
        before = row.line


# JSON lines


def objects(data: bytes) -> Iterator[Row]:
    return JsonRows(io.BytesIO(data), "c.jsonl").read()


def test_json_lines_are_read() -> None:
    read = list(objects(b'\xef\xbb\xbf{"id": 1, "billing": {"phone": "x"}}\n\n{"id": "2"}'))
    assert [(row.line, row.value["id"]) for row in read] == [(1, 1), (3, "2")]
    assert cell_of(read[0].value, "billing.phone") == "x"
    assert cell_of(read[0].value, "billing.fax") == cell_of(read[0].value, "shipping.phone") == ""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "is not JSON"),
        (b"[1]", "is no JSON object"),
        (b'{"a": "\xff"}', "is not UTF-8"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"a": "' + b"x" * MAX_ROW + b'"}', "is longer than"),
    ],
)
def test_a_wrong_line_is_told_and_the_next_is_read(line: bytes, says: str) -> None:
    first, second = objects(line + b'\n{"id": 1}\n')
    assert says in first.problem
    assert (second.line, second.problem) == (2, "")


def test_an_empty_file_is_said() -> None:
    for data in (b"", b"\xef\xbb\xbf"):
        with pytest.raises(ConfigError, match="is empty"):
            JsonRows(io.BytesIO(data), "c.jsonl")


@pytest.mark.parametrize("value", [True, [], {}])
def test_only_texts_and_numbers_are_cells(value: object) -> None:
    with pytest.raises(ValueError, match="`a` is no text or number"):
        cell_of({"a": value}, "a")


@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9), max_size=4), max_size=8))
def test_going_on_behind_any_object(made: list[dict[str, Any]]) -> None:
    data = io.BytesIO(b"\n".join(json.dumps(each).encode() for each in [*made, {"end": 1}]))
    whole = JsonRows(data, "c.jsonl")
    every = list(whole.read())
    assert [row.value for row in every] == [*made, {"end": 1}]
    for place, row in enumerate(every):
        assert list(whole.read(row.after)) == every[place + 1 :]
