"""Any file of a table to Parquet of strings, by DuckDB: a row of the file a row, the cells as they are written."""

import hashlib
import itertools
import json
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from modules.data.facts import SAMPLES
from modules.data.reading import files
from modules.data.reading.recognition import Recognised, recognise
from modules.data.reading.rejects import SAMPLE_CHARACTERS, Reject, line_at, reason_of
from modules.data.reading.table_format import TableFormat
from modules.data.reading.text import Text, plain_text

_MEMORY = "384MB"
_ROW_GROUP = 100_000
_LONGEST_ROW = 8 << 20
COUNTS = "counts"
"""Column that says whether a row counts, where there is a condition."""
ROW = "row"
"""Column of a row's number in its file."""


class Part(NamedTuple):
    """A row group of a table in Parquet.

    Attributes:
      file: number of the table's file among all.
      path: of the table's file, as the configuration names it.
      parquet: where its rows lie.
      group: number of the row group.
      first: number of its first row in the file.
      columns: wanted column -> its name in the Parquet file.
      lines: of the file before its first row, where rows are lines.
      converted: whether `parquet` was written here: it has a column ROW.
    """

    file: int
    path: str
    parquet: str
    group: int
    first: int
    columns: dict[str, str]
    lines: int
    converted: bool


class Converted(NamedTuple):
    """Where a table's rows lie, and what could be said of rows that are none."""

    parts: list[Part]
    facts: dict[str, Any]


def convert(
    name: str,
    paths: list[str],
    form: TableFormat,
    wanted: Sequence[str],
    folder: str,
    where: str | None = None,
    sequences: bool = False,
) -> Converted:
    """Returns the rows of a table's files as Parquet; files that are Parquet are left where they are.

    What was converted before, by the same settings, is not converted again.

    Args:
      name: of the table, in the facts.
      paths: of its files.
      form: how they are written.
      wanted: columns that are read.
      folder: where Parquet files are written; every worker must be able to read there.
      where: condition in SQL on the columns; rows that it does not hold for do not count.
      sequences: whether each line is a user and their items.

    Raises:
      ValueError: a file is cut off, damaged, or lacks a column; or the condition cannot be read.
    """
    facts: dict[str, Any] = {}
    parts: list[Part] = []
    for number, path in enumerate(paths):
        file = recognise(path, form, wanted, sequences)
        if file is None:
            continue
        if file.format == "parquet" and where is None:
            parts += _row_groups(number, path, path, {column: column for column in wanted}, 0, converted=False)
            continue
        parquet, rejects = _converted(file, form, wanted, folder, where)
        columns = {column: f"c{place}" for place, column in enumerate(wanted)}
        if where is not None:
            columns[COUNTS] = COUNTS
        parts += _row_groups(number, path, parquet, columns, file.skip, converted=True)
        _count(facts, name, path, rejects)
    return Converted(parts, facts)


def write_cells(number: int, path: str, rows: Iterable[list[str]], wanted: Sequence[str], folder: str) -> list[Part]:
    """Writes rows of cells as Parquet.

    Args:
      number: of the file.
      path: of the file they come from.
      rows: the cells, in the order of `wanted`.
      wanted: their columns.
      folder: as for `convert`.
    """
    name = hashlib.sha256(json.dumps([path, list(wanted)]).encode()).hexdigest()[:32]
    parquet = os.path.join(folder, "read", f"{name}.parquet")
    tf.io.gfile.makedirs(os.path.dirname(parquet))
    columns = {column: f"c{place}" for place, column in enumerate(wanted)}
    schema = pa.schema([(ROW, pa.int64()), *((name, pa.string()) for name in columns.values())])
    with tempfile.TemporaryDirectory() as local:
        partial, first = os.path.join(local, "rows.parquet"), 0
        with pq.ParquetWriter(partial, schema) as writer:
            cells = iter(rows)
            while block := list(itertools.islice(cells, _ROW_GROUP)):
                numbers = list(range(first, first + len(block)))
                writer.write_table(pa.table([numbers, *map(list, zip(*block, strict=True))], schema=schema))
                first += len(block)
        _move(partial, parquet)
    return _row_groups(number, path, parquet, columns, 0, converted=True)


def _row_groups(
    number: int, path: str, parquet: str, columns: dict[str, str], lines: int, *, converted: bool
) -> list[Part]:
    with files.open_raw(parquet) as raw:
        metadata = pq.ParquetFile(pa.PythonFile(raw, "r")).metadata
        parts, first = [], 0
        for group in range(metadata.num_row_groups):
            parts.append(Part(number, path, parquet, group, first, columns, lines, converted))
            first += metadata.row_group(group).num_rows
    return parts


def _count(facts: dict[str, Any], name: str, path: str, rejects: list[Reject]) -> None:
    for reject in rejects:
        for fact in (f"{name}/read", f"{name}/read/{path}", f"{name}/bad", f"reason/{name}/{reject.reason}"):
            facts[fact] = facts.get(fact, 0) + 1
        samples = facts.setdefault(f"sample/{name}/{reject.reason}", [])
        if len(samples) < SAMPLES:
            samples.append([os.path.basename(path), reject.line, reject.text])


def _converted(
    file: Recognised, form: TableFormat, wanted: Sequence[str], folder: str, where: str | None
) -> tuple[str, list[Reject]]:
    """Returns the path of a file's Parquet, and the rows that are not in it."""
    base = os.path.join(folder, "read", _fingerprint(file, form, wanted, where))
    parquet, rejects_path = f"{base}.parquet", f"{base}.json"
    if tf.io.gfile.exists(rejects_path):
        with tf.io.gfile.GFile(rejects_path) as written:
            return parquet, [Reject(*reject) for reject in json.load(written)]
    tf.io.gfile.makedirs(os.path.dirname(base))
    with tempfile.TemporaryDirectory() as local:
        partial = os.path.join(local, "rows.parquet")
        rejects = _write(file, form, wanted, where, partial, local)
        _move(partial, parquet)
        listed = os.path.join(local, "rejects.json")
        with open(listed, "w") as written:
            json.dump(rejects, written)
        # The last one to appear: who finds it finds both.
        _move(listed, rejects_path)
    return parquet, rejects


def _fingerprint(file: Recognised, form: TableFormat, wanted: Sequence[str], where: str | None) -> str:
    stat = tf.io.gfile.stat(file.path)
    known = [file.path, stat.length, stat.mtime_nsec, form.model_dump_json(), list(wanted), where, file.format]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:32]


def _move(local: str, path: str) -> None:
    partial = f"{path}.{os.getpid()}.partial"
    tf.io.gfile.copy(local, partial, overwrite=True)
    tf.io.gfile.rename(partial, path, overwrite=True)


def _write(
    file: Recognised, form: TableFormat, wanted: Sequence[str], where: str | None, out: str, local: str
) -> list[Reject]:
    with duckdb.connect(config={"memory_limit": _MEMORY, "threads": 2, "temp_directory": local}) as connection:
        connection.execute("SET preserve_insertion_order = true")
        if file.format == "parquet":
            text = Text(file.path, False)
            rows = _parquet_rows(file)
        else:
            text = plain_text(file.path, file.encoding, local)
            rows = _rows_of_text(file, form, text)
        places = {column: place for place, column in reversed(list(enumerate(file.columns)))}
        cells = ", ".join(f"coalesce({_cell(file, places[c])}, '') AS c{n}" for n, c in enumerate(wanted))
        kept = "" if where is None else f", {COUNTS}"
        source = f"(SELECT row_number() OVER () - 1 AS {ROW}, * FROM {rows})"
        if where is not None:
            source = _with_condition(connection, file, source, where)
        query = f"SELECT {ROW}, {cells}{kept} FROM {source}"
        connection.execute(f"COPY ({query}) TO {_quoted(out)} (FORMAT parquet, ROW_GROUP_SIZE {_ROW_GROUP})")
        if file.format != "csv":
            return []
        return _rejects(connection, file, text)


def _rows_of_text(file: Recognised, form: TableFormat, text: Text) -> str:
    if file.format == "csv":
        return _read_csv(
            text.path, file.width, file.delimiter, file.quote, form.escape or file.quote, form.comment or "", file.skip
        )
    lines = _read_csv(text.path, 1, "\x01", "", "", "", 0)
    if file.format == "jsonl":
        cells = ", ".join(
            f"json_extract_string(line, {_quoted(_json_path(c))}) AS _{n}" for n, c in enumerate(file.columns)
        )
        return f"(SELECT {cells} FROM (SELECT CASE WHEN json_valid(_0) THEN _0 END AS line FROM {lines}))"
    separator = re.escape(file.delimiter) if file.delimiter else r"\s+"
    parts = f"(SELECT regexp_split_to_array(trim(_0), {_quoted(separator)}) AS p FROM {lines})"
    return f"(SELECT p[1] AS _0, unnest(p[2:]) AS _1, unnest(range(1, len(p)))::VARCHAR AS _2 FROM {parts})"


def _parquet_rows(file: Recognised) -> str:
    cells = ", ".join(f"CAST({_identifier(c)} AS VARCHAR) AS _{n}" for n, c in enumerate(file.columns))
    return f"(SELECT {cells} FROM read_parquet({_quoted(file.path)}))"


def _json_path(column: str) -> str:
    return "$" + "".join(f'."{part}"' for part in column.split("."))


def _read_csv(path: str, width: int, delimiter: str, quote: str, escape: str, comment: str, skip: int) -> str:
    columns = ", ".join(f"'_{place}': 'VARCHAR'" for place in range(width))
    options = {"delim": delimiter, "quote": quote, "escape": escape, "comment": comment}
    texts = ", ".join(f"{name} = {_quoted(value)}" for name, value in options.items())
    # A glob's characters may stand in the name of a file.
    name = re.sub(r"([*?\[])", r"[\1]", path)
    return (
        f"read_csv({_quoted(name)}, auto_detect = false, header = false, compression = 'none', {texts}, skip = {skip}, "
        f"columns = {{{columns}}}, store_rejects = true, max_line_size = {_LONGEST_ROW})"
    )


def _cell(file: Recognised, place: int) -> str:
    return f"trim(_{place}, ' ')" if file.spaced else f"_{place}"


def _with_condition(connection: duckdb.DuckDBPyConnection, file: Recognised, source: str, where: str) -> str:
    """Returns the rows with COUNTS; columns whose first cells are all numbers are numbers in the condition."""
    names: dict[str, tuple[int, str]] = {}
    for place, column in enumerate(file.columns):
        names.setdefault(column.lower(), (place, column))
    used = [
        (place, column) for place, column in names.values() if column and re.search(rf"(?i){re.escape(column)}", where)
    ]
    numbers: set[int] = set()
    for place, _ in used:
        ((texts, others),) = connection.execute(
            f"SELECT count(*), count(*) FILTER (try_cast(c AS DOUBLE) IS NULL) FROM "
            f"(SELECT {_cell(file, place)} AS c FROM {source} WHERE _{place} <> '' LIMIT 10000)"
        ).fetchall()
        if texts and not others:
            numbers.add(place)
    error: Exception | None = None
    cells = "".join(f", _{place}" for place in range(len(file.columns)))
    for typed in (numbers, set()):
        aliases = "".join(
            f", {f'try_cast({_cell(file, place)} AS DOUBLE)' if place in typed else _cell(file, place)} "
            f"AS {_identifier(column)}"
            for place, column in used
        )
        rows = f"(SELECT {ROW}{cells}, coalesce(({where}), false) AS {COUNTS} FROM (SELECT *{aliases} FROM {source}))"
        try:
            connection.execute(f"DESCRIBE SELECT * FROM {rows}")
            return rows
        except duckdb.Error as failure:
            error = error or failure
    raise ValueError(
        f"`data.where` must be a condition in SQL on the columns of {file.path}, which are "
        f"{list(file.columns)}. Received: {where!r}; {str(error).splitlines()[0]}"
    )


def _rejects(connection: duckdb.DuckDBPyConnection, file: Recognised, text: Text) -> list[Reject]:
    found = connection.execute(
        "SELECT line_byte_position, any_value(error_type), max(error_message), any_value(csv_line) "
        "FROM reject_errors GROUP BY line, line_byte_position ORDER BY 1"
    ).fetchall()
    # A quote that is never closed swallows the lines after it, which count as they are lost.
    return [
        Reject(reason_of(kind, message, file), line_at(text.path, place or 0) + n, lost[:SAMPLE_CHARACTERS])
        for place, kind, message, lines in found
        for n, lost in enumerate((lines or "").strip("\n").split("\n"))
    ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
