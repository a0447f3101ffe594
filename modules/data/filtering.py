"""From files to the filtered corpus: the Beam pipelines that run before the examples are made.

A Beam pipeline has no loop that depends on data, so the k-core's rounds are unrolled a few a
pipeline, and pipelines follow each other, over files in a temporary folder, until a round drops
nothing. Within a pipeline, too, rows go from step to step through files (see `spills`): what goes
through Beam is their paths and counts.
"""

import contextlib
import dataclasses
import logging
import os
from collections.abc import Callable, Container
from typing import Any

import apache_beam as beam

from modules.data.config import DataConfig
from modules.data.facts import FACTS, joined, read_facts, write_facts
from modules.data.grouping.counting import COUNTS
from modules.data.grouping.kcore import Counted, core_round
from modules.data.grouping.sequences import CELLS, ROWS, SEQUENCES, GroupByUser
from modules.data.grouping.shards import EachShard
from modules.data.grouping.spills import Spill, SpillRows, SpillSmallest, as_spills, cut_into_shards
from modules.data.reading import conversion, dates, files, parsing
from modules.data.reading.bad_rows import INTERACTIONS, require_readable
from modules.data.reading.conversion import Converted
from modules.data.reading.parsing import EachPart
from modules.data.sources.base import ITEMS, USERS, Source

_LOG = logging.getLogger(__name__)

MakePipeline = Callable[[], contextlib.AbstractContextManager[beam.Pipeline]]

# Starting a pipeline costs about as much as three rounds over little data. Dense data converge
# within the first two rounds, the rest mostly within the next six.
_FIRST_ROUNDS = 2
_MORE_ROUNDS = 6


@dataclasses.dataclass(frozen=True)
class FilteredData:
    """Where the filtered data lie, and what was counted on the way.

    Attributes:
      folder: where they lie.
      sequences: shards of `Sequence`s.
      items: spills of (item, (empty cells, place, (title, *raw feature cells))), of which an item's smallest holds;
        None where nothing is known of items.
      facts: counts and samples by name.
      rounds: of the k-core, with what each dropped.
    """

    folder: str
    sequences: list[str]
    items: list[Spill] | None
    facts: dict[str, Any]
    rounds: list[dict[str, int]]


def filter_interactions(
    make_pipeline: MakePipeline, source: Source, input_base: str, pattern: files.Patterns, folder: str
) -> FilteredData:
    """Reads, filters and groups the interactions.

    Args:
      make_pipeline: makes a Beam pipeline on the runner of choice.
      source: of the rows.
      input_base: folder of the interactions.
      pattern: of their files in it, or the full patterns of several spans, oldest first.
      folder: temporary; every worker must be able to read and write there.

    Returns:
      The corpus after the k-core, never empty.

    Raises:
      ValueError: too many rows cannot be read, or the filters leave none.
    """
    path = os.path.join(input_base, pattern) if isinstance(pattern, str) else pattern
    facts_path = os.path.join(folder, "facts-0.json")
    tables = _convert(source, input_base, path, folder)
    with make_pipeline() as pipeline:
        counted, facts = _read(pipeline, source, tables, folder)
        facts += _rounds(counted, 0, _FIRST_ROUNDS, source.data, folder)
        write_facts(facts, facts_path)
    last = read_facts(facts_path)
    reading = joined([last, *(table.facts for table in tables.values())])
    _log_reading(reading)
    require_readable(reading, path, source.data)
    dates.require_known(reading, source.data)
    rounds = _rounds_in(reading, 0, _FIRST_ROUNDS)
    while rounds[-1]["interactions"]:
        last = _more_rounds(make_pipeline, last, len(rounds), source.data, folder)
        rounds += _rounds_in(last, len(rounds), _MORE_ROUNDS)
    rounds = _until_nothing_dropped(rounds)
    for number, dropped in enumerate(rounds, start=1):
        _LOG.info("k-core round %d dropped %s", number, dropped)
    _require_rows(reading, rounds, source.data)
    return FilteredData(
        folder=folder,
        sequences=sorted(last.get(_file_fact(SEQUENCES), [])),
        items=as_spills(reading.get(_file_fact(ITEMS), [])) if source.wants_items else None,
        facts=reading,
        rounds=rounds,
    )


def _convert(source: Source, input_base: str, path: files.Patterns, folder: str) -> dict[str, Converted]:
    """Returns what is read as Parquet, by table."""
    tables = source.side_tables(input_base)
    inline = _inline(source, tables)
    wanted = source.columns_read(items=inline[ITEMS], users=inline[USERS])
    converted = {INTERACTIONS: source.convert(path, wanted, folder)}
    for kind, table in tables.items():
        if _wanted(source)[kind]:
            columns = source.side_columns_read(kind, table)
            converted[kind] = conversion.convert(kind, files.matching(table.path), table.layout, columns, folder)
    return converted


def _wanted(source: Source) -> dict[str, bool]:
    return {ITEMS: source.wants_items, USERS: source.wants_users}


def _inline(source: Source, tables: Container[str]) -> dict[str, bool]:
    """Returns of what side features stand in the interactions' rows."""
    return {kind: wanted and kind not in tables for kind, wanted in _wanted(source).items()}


def _read(
    pipeline: beam.Pipeline, source: Source, tables: dict[str, Converted], folder: str
) -> tuple[Counted, list[beam.PCollection]]:
    """Returns the sequences before the k-core, and facts."""
    inline = _inline(source, tables)
    parse = parsing.ParseInteractions(source, items=inline[ITEMS], users=inline[USERS])
    parsed = _parse(pipeline, INTERACTIONS, tables[INTERACTIONS], parse)
    all_facts = [parsed[FACTS]]
    sides = {kind: parsed[kind] for kind in inline if inline[kind]}
    for kind in (ITEMS, USERS):
        if kind in tables:
            side = _parse(pipeline, kind, tables[kind], parsing.ParseSide(source, kind))
            sides[kind] = side.rows
            all_facts.append(side[FACTS])
    spills = {kind: rows | f"Spill[{kind}]" >> beam.ParDo(SpillSmallest(folder, kind)) for kind, rows in sides.items()}
    of_users = {ROWS: parsed.rows | f"Spill[{ROWS}]" >> beam.ParDo(SpillRows(folder, ROWS))}
    if USERS in spills:
        of_users[CELLS] = spills[USERS]
    if ITEMS in spills:
        all_facts.append(spills[ITEMS] | "KeepItems" >> beam.Map(_files, ITEMS))
    shards = cut_into_shards("ByUser", of_users)
    grouped = shards | "Order" >> beam.ParDo(GroupByUser(folder, source.data)).with_outputs(
        FACTS, COUNTS, main=SEQUENCES
    )
    return Counted(grouped[SEQUENCES], grouped[COUNTS]), [*all_facts, grouped[FACTS]]


def _parse(pipeline: beam.Pipeline, kind: str, table: Converted, parse: beam.DoFn) -> beam.pvalue.DoOutputsTuple:
    parts = pipeline | f"Read[{kind}]" >> EachPart(table.parts)
    return parts | f"Parse[{kind}]" >> beam.ParDo(parse).with_outputs(FACTS, ITEMS, USERS, main="rows")


def _rounds(counted: Counted, done: int, count: int, data: DataConfig, folder: str) -> list[beam.PCollection]:
    """Adds rounds of the k-core; returns facts, among them the files of what the rounds leave."""
    all_facts = []
    for number in range(done + 1, done + 1 + count):
        counted, facts = core_round(counted, number, data.min_user_interactions, data.min_item_interactions, folder)
        all_facts += facts
    return [
        *all_facts,
        counted.sequences | "KeepSequences" >> beam.Map(_files, SEQUENCES),
        counted.counts | "KeepCounts" >> beam.Map(_files, COUNTS),
    ]


def _files(file: str | Spill, kind: str) -> tuple[str, list[str | Spill]]:
    return _file_fact(kind), [file]


def _file_fact(kind: str) -> str:
    return f"files/{kind}"


def _more_rounds(
    make_pipeline: MakePipeline, before: dict[str, Any], done: int, data: DataConfig, folder: str
) -> dict[str, Any]:
    """Runs more rounds upon what the pipeline before has left; returns their facts."""
    path = os.path.join(folder, f"facts-{done}.json")
    with make_pipeline() as pipeline:
        counted = Counted(
            pipeline | "Sequences" >> EachShard(before.get(_file_fact(SEQUENCES), [])),
            pipeline | "Counts" >> beam.Create(as_spills(before.get(_file_fact(COUNTS), []))),
        )
        write_facts(_rounds(counted, done, _MORE_ROUNDS, data, folder), path)
    return read_facts(path)


def _rounds_in(facts: dict[str, Any], done: int, count: int) -> list[dict[str, int]]:
    kinds = ("users", "items", "interactions")
    return [
        {kind: facts.get(f"kcore/{number}/{kind}", 0) for kind in kinds} for number in range(done + 1, done + 1 + count)
    ]


def _until_nothing_dropped(rounds: list[dict[str, int]]) -> list[dict[str, int]]:
    last = next(n for n, dropped in enumerate(rounds) if not dropped["interactions"])
    return rounds[: last + 1]


def _log_reading(facts: dict[str, Any]) -> None:
    _LOG.info(
        "%d rows read, %d set aside, %d rated too low, %d repeated; %d users, %d interactions",
        facts.get("interactions/read", 0),
        facts.get("interactions/bad", 0),
        facts.get("interactions/low", 0),
        facts.get("sequences/duplicates", 0),
        facts.get("sequences/users", 0),
        facts.get("sequences/interactions", 0),
    )


def _require_rows(facts: dict[str, Any], rounds: list[dict[str, int]], data: DataConfig) -> None:
    core = sum(dropped["interactions"] for dropped in rounds)
    if facts.get("sequences/interactions", 0) > core:
        return
    raise ValueError(
        f"No rows are left after filtering: {facts.get('interactions/read', 0)} read, "
        f"{facts.get('interactions/bad', 0)} set aside as unreadable, "
        f"{facts.get('interactions/low', 0)} dropped by `data.min_rating` = {data.min_rating}, "
        f"{facts.get('sequences/duplicates', 0)} dropped as repetitions, and {core} dropped by "
        f"`data.min_user_interactions` = {data.min_user_interactions} and "
        f"`data.min_item_interactions` = {data.min_item_interactions}. Lower what drops too much."
    )
