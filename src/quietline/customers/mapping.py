"""The mapping file: which columns of a shop system's export are which fields. Checked against the schema, by line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from quietline.files.marked_yaml import Marked, Place
from quietline.files.model import FileModel, all_of, nearest, read_model
from quietline.vault.records import CUSTOMER, ORDER, kind_of
from quietline.vault.schema import FieldSpec

ORDER_REFERENCE = "order.reference"
Column = Annotated[str, Field(min_length=1, max_length=200)]


class ColumnsModel(FileModel):
    """Several columns as one value."""

    columns: Annotated[list[Column], Field(min_length=1, max_length=20, description="Empty ones are left out.")]
    join: Annotated[str, Field(max_length=10, description="What stands between them.")] = " "


class MappingFile(FileModel):
    """What stands at the top."""

    key: Annotated[Column, Field(description="The column with the shop system's own key of a customer.")]
    key_prefix: Annotated[
        str, Field(max_length=40, description="Before every key; woo: where `quietline connect shop` brings the same.")
    ] = ""
    fields: Annotated[
        dict[str, Column | ColumnsModel], Field(min_length=1, description="Field: its column or columns.")
    ]
    controller: Annotated[str, Field(min_length=1, description="The GDPR controller of these customers.")] = "brand"
    controller_column: Annotated[Column | None, Field(description="Where each row says its own controller.")] = None
    orders: Annotated[Column | None, Field(description="JSON only: the key of each customer's list of orders.")] = None
    order: Annotated[
        dict[str, Column | ColumnsModel], Field(default_factory=dict, description="The same for an order.")
    ]
    encoding: Annotated[
        Literal["utf-8", "iso-8859-1", "windows-1252"], Field(description="Of a CSV file. JSON is UTF-8.")
    ] = "utf-8"
    delimiter: Annotated[Literal[",", ";", "\t", "|"], Field(description="Of a CSV file.")] = ","


@dataclass(frozen=True, slots=True)
class Source:
    """Where a field's value comes from. `place`: in the mapping file."""

    name: str
    columns: tuple[str, ...]
    join: str
    place: Place

    def value(self, cell: Callable[[str], str]) -> str:
        """The cells that are not empty, joined."""
        return self.join.join(part for part in (cell(column).strip() for column in self.columns) if part)


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """A mapping, checked against the schema."""

    key: str
    controller: str
    controller_column: str
    fields: tuple[Source, ...]
    order: tuple[Source, ...]
    orders: str  # JSON: where the list of orders is; "" where a row is one order
    encoding: str
    delimiter: str
    key_prefix: str
    file: Marked = field(repr=False)

    def columns(self) -> Iterator[tuple[Place, str]]:
        """Every column that a row needs, with its place in the mapping file."""
        yield ("key",), self.key
        if self.controller_column:
            yield ("controller_column",), self.controller_column
        for source in (*self.fields, *(() if self.orders else self.order)):
            for column in source.columns:
                yield source.place, column

    def check_columns(self, header: Iterable[str]) -> None:
        """Raises ConfigError with a line for each column that the file does not have."""
        known = set(header)
        missing = [(place, name) for place, name in self.columns() if name not in known]
        if missing:
            raise all_of(
                self.file.says(place, f"the file has no column `{name}`; {nearest(name, known)}")
                for place, name in missing
            )


def read_mapping(file: Marked, known: Mapping[str, FieldSpec]) -> ColumnMap:
    """The mapping of a file's values. `known`: `vault.custom.catalogue`. Raises ConfigError: a line each mistake."""
    model = read_model(MappingFile, file)
    wrong = [
        *_unknown(model.fields, "fields", CUSTOMER, known, file),
        *_unknown(model.order, "order", ORDER, known, file),
    ]
    if model.order and ORDER_REFERENCE not in model.order:
        wrong.append(file.says(("order",), f"`{ORDER_REFERENCE}` is missing; an order is known by it"))
    if model.orders and not model.order:
        wrong.append(file.says(("orders",), "needs `order`: which key of an order is which field"))
    if wrong:
        raise all_of(wrong)
    return ColumnMap(
        model.key,
        model.controller,
        model.controller_column or "",
        tuple(_sources(model.fields, "fields")),
        tuple(_sources(model.order, "order")),
        model.orders or "",
        model.encoding,
        model.delimiter,
        model.key_prefix,
        file,
    )


def _unknown(given: Iterable[str], part: str, kind: str, known: Mapping[str, FieldSpec], file: Marked) -> Iterator[str]:
    names = [name for name in known if kind_of(name) == kind]
    for name in given:
        if name not in names:
            yield file.says((part, name), f"unknown field; {nearest(name, names)}")


def _sources(given: Mapping[str, str | ColumnsModel], part: str) -> Iterator[Source]:
    for name, source in given.items():
        several = source if isinstance(source, ColumnsModel) else ColumnsModel(columns=[source])
        yield Source(name, tuple(several.columns), several.join, (part, name))


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the file."""
    made = MappingFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Quietline customer mapping"}
