"""A source's rows as a stream of examples, read by the parsers that the pipeline reads them with."""

import os
import tempfile
from collections.abc import Iterator
from typing import Any

from apache_beam.pvalue import TaggedOutput

from modules.data.config import DataConfig
from modules.data.facts import JoinFacts
from modules.data.reading import bad_rows, conversion, files, parsing
from modules.data.reading.conversion import Converted
from modules.data.reading.rows import Interaction
from modules.data.sources.base import ITEMS, USERS, Source, Table

_TABLES = (bad_rows.INTERACTIONS, ITEMS, USERS)
Example = dict[str, Any]


def feature_names(source: Source) -> dict[str, type]:
    """Returns the features of an example with their types: ids, rating, time, title, side features."""
    columns, data = source.columns, source.data
    names: dict[str, type] = {"user_id": str, "item_id": str}
    if columns.rating:
        names["rating"] = float
    if columns.timestamp:
        names["timestamp"] = int
    if columns.title:
        names["title"] = str
    return names | dict.fromkeys([*data.item_features, *data.user_features], str)


def read_examples(source: Source, input_base: str, pattern: str, facts: dict[str, Any]) -> Iterator[Example]:
    """Yields one example a row, in the order of the files; only the tables beside the rows are held in memory.

    Args:
      source: of the rows.
      input_base: folder of the interactions.
      pattern: of their files in it.
      facts: joined with what was counted and set aside, complete when the stream ends.

    Raises:
      ValueError: at the end, where too many rows cannot be read, or none is left.
    """
    path = os.path.join(input_base, pattern)
    tables = source.side_tables(input_base)
    wanted = {ITEMS: source.wants_items, USERS: source.wants_users}
    inline = {kind: wanted[kind] and kind not in tables for kind in wanted}
    with tempfile.TemporaryDirectory() as folder:
        sides = {
            kind: _best_rows(_parsed(parsing.ParseSide(source, kind), _side(source, kind, table, folder), facts))
            for kind, table in tables.items()
            if wanted[kind]
        }
        parse = parsing.ParseRows(source, items=inline[ITEMS], users=inline[USERS])
        columns = source.columns_read(items=inline[ITEMS], users=inline[USERS])
        count = 0
        for row in _parsed(parse, source.convert(path, columns, folder), facts):
            yield _example(row, source, sides)
            count += 1
    bad_rows.require_readable(facts, path, source.data)
    if not count:
        raise ValueError(f"`data.path` must name files with interactions. Received: {path!r}, which has none.")


def summary(facts: dict[str, Any]) -> dict[str, Any]:
    """Returns, for each table that was read, the counts of its rows and samples of those set aside."""
    return {
        table: {
            "read": facts[f"{table}/read"],
            "set_aside": facts.get(f"{table}/bad", 0),
            "ignored": facts.get(f"{table}/ignored", 0),
            "reasons": bad_rows.reasons_of(facts, table),
            "samples": [sample._asdict() for sample in bad_rows.samples_of(facts, table)],
        }
        for table in _TABLES
        if f"{table}/read" in facts
    }


def _side(source: Source, kind: str, table: Table, folder: str) -> Converted:
    return conversion.convert(
        kind, files.matching(table.path), table.layout, source.side_columns_read(kind, table), folder
    )


def _parsed(parse: parsing.ParseTable, table: Converted, facts: dict[str, Any]) -> Iterator[Any]:
    """Runs a parser of the pipeline over all rows without Beam, in one bundle."""
    join = JoinFacts()
    parse.start_bundle()
    for part in table.parts:
        for output in parse.process(part):
            if isinstance(output, TaggedOutput):
                join.add_input(facts, output.value)
            else:
                yield output
    for counted in parse.finish_bundle():
        join.add_input(facts, counted.value.value)
    for fact in table.facts.items():
        join.add_input(facts, fact)


def _best_rows(rows: Iterator[tuple[str, tuple]]) -> dict[str, tuple[str, ...]]:
    best: dict[str, tuple] = {}
    for key, row in rows:
        best[key] = min(row, best.get(key, row))
    return {key: row[-1] for key, row in best.items()}


def _example(row: Interaction, source: Source, sides: dict[str, dict[str, tuple[str, ...]]]) -> Example:
    columns, data = source.columns, source.data
    example: Example = {"user_id": row.user, "item_id": row.item}
    if columns.rating:
        example["rating"] = row.rating
    if columns.timestamp:
        example["timestamp"] = int(row.timestamp)  # type: ignore[arg-type]  # builders of rows with times
    nothing = ("",) * (1 + len(data.item_features))
    title, *cells = (sides[ITEMS].get(row.item, nothing) if ITEMS in sides else row.item_side) or nothing
    if columns.title:
        example["title"] = title
    example.update(zip(data.item_features, cells, strict=True))
    return example | _user_cells(row, data, sides)


def _user_cells(row: Interaction, data: DataConfig, sides: dict[str, dict[str, tuple[str, ...]]]) -> Example:
    nothing = ("",) * len(data.user_features)
    cells = sides[USERS].get(row.user, nothing) if USERS in sides else row.user_side
    return dict(zip(data.user_features, cells or nothing, strict=True))
