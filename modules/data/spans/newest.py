"""The newest span by itself: one example a user of what they did in it, for statistics.

In the other splits a bad day hides: they hold a whole window of days, each item of a user only once, and nothing of the
users and items that the k-core drops. Here every readable row counts.
"""

import collections
import re
from collections.abc import Iterable, Iterator

import apache_beam as beam

from modules import names
from modules.data.config import DataConfig
from modules.data.examples.encoding import encode, make_example
from modules.data.examples.side_features import all_values
from modules.data.examples.slices import length_band
from modules.data.facts import FACTS, write_facts
from modules.data.grouping.order import tie_break
from modules.data.grouping.spills import Shard, SpillRows, cut_into_shards, read_segments
from modules.data.reading import files
from modules.data.reading.parsing import EachPart, ParseRows
from modules.data.reading.rows import Interaction
from modules.data.sources.base import ITEMS, USERS, Source

_TOKEN = re.compile(r"[^\W_]+")
_LONGEST_FORMAT = 40


def newest_examples(
    pipeline: beam.Pipeline, source: Source, input_base: str, patterns: files.Patterns, folder: str, facts_path: str
) -> beam.PCollection:
    """Returns one serialized example a user, and writes facts on the rows.

    It holds the side features that stand in the interactions' own rows, of items as the slices of the other splits
    hold them: a table beside them is not of one span.

    Args:
      pipeline: to build in.
      source: of the span.
      input_base: folder that `source.locate` gives.
      patterns: of the span's files.
      folder: temporary; every worker must be able to read and write there.
      facts_path: `read_facts` finds them there when the pipeline has run.
    """
    data, tables = source.data, source.side_tables(input_base)
    inline = {
        "items": source.wants_items and ITEMS not in tables,
        "users": source.wants_users and USERS not in tables,
    }
    parse = ParseRows(source, **inline)
    converted = source.convert(patterns, source.columns_read(**inline), folder)
    parsed = (
        pipeline
        | "ReadNewest" >> EachPart(converted.parts)
        | "ParseNewest" >> beam.ParDo(parse).with_outputs(FACTS, ITEMS, USERS, main="rows")
    )
    lost = pipeline | "LostNewest" >> beam.Create(list(converted.facts.items()))
    write_facts([parsed[FACTS], lost], facts_path, names.NEWEST)
    spills = (
        parsed.rows
        | "NewestRows" >> beam.Map(lambda row: (row.user, row))
        | "SpillNewest" >> beam.ParDo(SpillRows(folder, names.NEWEST))
    )
    return cut_into_shards("NewestByUser", {names.NEWEST: spills}) | "NewestExamples" >> beam.FlatMap(
        lambda shard: _examples(shard, data)
    )


def id_format(text: str) -> str:
    """Returns the form of an id: "9" for each run of digits, "a" of letters, "x" of both; the rest as it stands."""

    def kind(token: re.Match[str]) -> str:
        return "9" if token[0].isdigit() else "a" if token[0].isalpha() else "x"

    return _TOKEN.sub(kind, text)[:_LONGEST_FORMAT]


def _examples(shard: Shard, data: DataConfig) -> Iterator[bytes]:
    rows: dict[str, list[Interaction]] = collections.defaultdict(list)
    for user, row in read_segments(shard, names.NEWEST):
        rows[user].append(Interaction(*row))
    for user, events in rows.items():
        yield _example(user, events, data)


def _example(user: str, rows: Iterable[Interaction], data: DataConfig) -> bytes:
    events = sorted(rows, key=lambda row: (row.timestamp or 0.0, tie_break(user, row.item, data.seed)))
    features = {
        names.USER_ID: encode([user]),
        names.USER_ACTIVITY: encode([length_band(len(events))]),
        names.USER_FORMAT: encode([id_format(user)]),
        names.TARGET: encode(event.item for event in events),
        names.ITEM_FORMAT: encode(id_format(event.item) for event in events),
        **all_values(data.user_features, list(events[-1].user_side)),
    }
    for event in events:
        # The title comes first; see `Source.item_side`.
        for name, values in all_values(data.item_features, list(event.item_side[1:])).items():
            if data.item_features[name].kind == "categorical":
                features.setdefault(names.target_feature(name), []).extend(values)  # type: ignore[arg-type]  # one feature has values of one type
    return make_example(features)
