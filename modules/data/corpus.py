"""From files to the filtered corpus: the Beam pipelines that run before the examples are made.

A Beam pipeline has no loop that depends on data, so the k-core's rounds are unrolled a few a
pipeline, and pipelines follow each other, over shards of a temporary folder, until a round drops
nothing.
"""

import contextlib
import dataclasses
import logging
import os
from collections.abc import Callable
from typing import Any

import apache_beam as beam

from modules.config import DataConfig
from modules.data import parsing
from modules.data.bad_rows import require_readable
from modules.data.facts import FACTS, read_facts, write_facts
from modules.data.kcore import core_round
from modules.data.parsing import ReadLines
from modules.data.rows import Layout
from modules.data.sequences import group_by_user
from modules.data.shards import ReadShards, WriteShards
from modules.data.sources.base import ITEMS, USERS, Source

_LOG = logging.getLogger(__name__)

MakePipeline = Callable[[], contextlib.AbstractContextManager[beam.Pipeline]]
_SEQUENCES = "sequences"

# Starting a pipeline costs about as much as three rounds over little data. Dense data converge
# within the first two rounds, the rest mostly within the next six.
_FIRST_ROUNDS = 2
_MORE_ROUNDS = 6


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Where the filtered data lie, and what was counted on the way.

    Attributes:
      sequences: shards of `Sequence`s.
      items: shards of (item, (title, *raw feature cells)); None where nothing is known of items.
      users: shards of (user, raw feature cells); None where nothing is known of users.
      facts: counts and samples by name.
      rounds: of the k-core, with what each dropped.
    """

    sequences: list[str]
    items: list[str] | None
    users: list[str] | None
    facts: dict[str, Any]
    rounds: list[dict[str, int]]


def build_corpus(make_pipeline: MakePipeline, source: Source, input_base: str, pattern: str, folder: str) -> Corpus:
    """Reads, filters and groups the interactions.

    Args:
      make_pipeline: makes a Beam pipeline on the runner of choice.
      source: of the rows.
      input_base: folder of the interactions.
      pattern: of their files in it.
      folder: temporary; every worker must be able to read and write there.

    Returns:
      The corpus after the k-core, never empty.

    Raises:
      ValueError: too many rows cannot be read, or the filters leave none.
    """
    path = os.path.join(input_base, pattern)
    facts_path = os.path.join(folder, "facts-0.json")
    with make_pipeline() as pipeline:
        sequences, facts = _read(pipeline, source, input_base, path, folder)
        facts += _rounds(sequences, 0, _FIRST_ROUNDS, source.data, folder)
        write_facts(facts, facts_path)
    facts = read_facts(facts_path)
    _log_reading(facts)
    require_readable(facts, path, source.data.max_bad_row_share)
    rounds = _rounds_in(facts, 0, _FIRST_ROUNDS)
    shards = sorted(facts.get(f"shards/{_SEQUENCES}", []))
    while rounds[-1]["interactions"]:
        shards, more = _more_rounds(make_pipeline, shards, len(rounds), source.data, folder)
        rounds += more
    rounds = _until_nothing_dropped(rounds)
    for number, dropped in enumerate(rounds, start=1):
        _LOG.info("k-core round %d dropped %s", number, dropped)
    _require_rows(facts, rounds, source.data)
    sides = {kind: sorted(facts.get(f"shards/{kind}", [])) for kind in (ITEMS, USERS)}
    return Corpus(
        sequences=shards,
        items=sides[ITEMS] if source.wants_items else None,
        users=sides[USERS] if source.wants_users else None,
        facts=facts,
        rounds=rounds,
    )


def _read(
    pipeline: beam.Pipeline, source: Source, input_base: str, path: str, folder: str
) -> tuple[beam.PCollection, list[beam.PCollection]]:
    """Returns the sequences before the k-core and facts; writes the side rows."""
    wanted = {ITEMS: source.wants_items, USERS: source.wants_users}
    tables = source.side_tables(input_base)
    inline = {kind: wanted[kind] and kind not in tables for kind in wanted}
    parse = parsing.ParseInteractions(source, items=inline[ITEMS], users=inline[USERS])
    parsed = _parse(pipeline, "interactions", path, source.layout, parse)
    sequences, facts = group_by_user(parsed.rows)
    all_facts = [parsed[FACTS], facts]
    sides = {kind: parsed[kind] for kind in inline if inline[kind]}
    parsers = {ITEMS: parsing.ParseItems, USERS: parsing.ParseUsers}
    for kind, table in tables.items():
        if wanted[kind]:
            side = _parse(pipeline, kind, table.path, table.layout, parsers[kind](source, table))
            sides[kind] = side.rows
            all_facts.append(side[FACTS])
    for kind, rows in sides.items():
        all_facts.append(
            rows
            | f"Best[{kind}]" >> beam.CombinePerKey(min)
            | f"Cells[{kind}]" >> beam.MapTuple(lambda key, row: (key, row[-1]))
            | f"Write[{kind}]" >> beam.ParDo(WriteShards(folder, kind))
        )
    return sequences, all_facts


def _parse(
    pipeline: beam.Pipeline, kind: str, pattern: str, layout: Layout, parse: beam.DoFn
) -> beam.pvalue.DoOutputsTuple:
    lines = pipeline | f"Read[{kind}]" >> ReadLines(pattern, layout)
    tags = (FACTS, ITEMS, USERS)
    return lines | f"Parse[{kind}]" >> beam.ParDo(parse).with_outputs(*tags, main="rows")


def _rounds(
    sequences: beam.PCollection, done: int, count: int, data: DataConfig, folder: str
) -> list[beam.PCollection]:
    """Adds rounds of the k-core and the writing of what they leave; returns facts."""
    all_facts = []
    for number in range(done + 1, done + 1 + count):
        sequences, facts = core_round(sequences, number, data.min_user_interactions, data.min_item_interactions)
        all_facts += facts
    written = sequences | "WriteSequences" >> beam.ParDo(WriteShards(folder, _SEQUENCES))
    return [*all_facts, written]


def _more_rounds(
    make_pipeline: MakePipeline, shards: list[str], done: int, data: DataConfig, folder: str
) -> tuple[list[str], list[dict[str, int]]]:
    """Runs more rounds; returns the shards they leave, and what each of them dropped."""
    path = os.path.join(folder, f"facts-{done}.json")
    with make_pipeline() as pipeline:
        sequences = pipeline | "ReadSequences" >> ReadShards(shards)
        write_facts(_rounds(sequences, done, _MORE_ROUNDS, data, folder), path)
    facts = read_facts(path)
    return sorted(facts.get(f"shards/{_SEQUENCES}", [])), _rounds_in(facts, done, _MORE_ROUNDS)


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
