"""From the filtered corpus to the examples: the last Beam pipeline of the ExampleGen."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from modules.config import DataConfig, SideFeature
from modules.data import names, slices
from modules.data.corpus import Corpus
from modules.data.counting import Counter, CountKeys
from modules.data.examples import encode, item_example, user_examples
from modules.data.facts import FACTS, CountingDoFn, JoinFacts, write_facts
from modules.data.sequences import Sequence
from modules.data.shards import ReadShards
from modules.data.side_features import Values, all_values
from modules.data.splitting import Split, split_items


class _Item(NamedTuple):
    """What the catalog knows of an item; `count` is in train interactions."""

    item: str
    count: int
    title: str
    features: dict[str, Values]


_User = tuple[str, Split, dict[str, Values]]
"""(user, the user's items, values of the side features)."""


def make_examples(
    pipeline: beam.Pipeline, corpus: Corpus, data: DataConfig, facts_path: str
) -> dict[str, beam.PCollection]:
    """Returns the serialized examples by split, and writes facts on them.

    Args:
      pipeline: to build in.
      corpus: what `build_corpus` left.
      data: the settings.
      facts_path: `read_facts` finds them there when the pipeline has run.
    """
    sequences = pipeline | "ReadSequences" >> ReadShards(corpus.sequences)
    splits = sequences | "Split" >> beam.MapTuple(
        lambda user, events: (user, split_items([item for _, item in events], data))
    )
    items = _items(pipeline, splits, corpus, data)
    targets = _target_facts(items, data)
    users = _with_user_features(pipeline, splits, corpus, data)
    examples = users | "Users" >> beam.ParDo(_UserExamples(), beam.pvalue.AsDict(targets)).with_outputs(
        FACTS, names.TRAIN, names.VALID, names.TEST
    )
    catalog = items | "Catalog" >> beam.ParDo(_CatalogExamples()).with_outputs(FACTS, main=names.CATALOG)
    times = sequences | "Times" >> beam.FlatMap(_time_range)
    write_facts([examples[FACTS], catalog[FACTS], times], facts_path)
    return {
        **{split: examples[split] for split in (names.TRAIN, names.VALID, names.TEST)},
        names.CATALOG: catalog[names.CATALOG],
    }


def _items(pipeline: beam.Pipeline, splits: beam.PCollection, corpus: Corpus, data: DataConfig) -> beam.PCollection:
    counts = splits | "ItemCounts" >> CountKeys(_add_item_uses)
    if corpus.items is None:
        return counts | "ItemRows" >> beam.MapTuple(lambda item, n: _Item(item, n, "", {}))
    cells = pipeline | "ReadItems" >> ReadShards(corpus.items) | "ItemCells" >> beam.Map(tuple)
    return (
        {"counts": counts, "cells": cells}
        | "JoinItems" >> beam.CoGroupByKey()
        | "ItemRows" >> beam.FlatMap(_item_rows, data.item_features)
    )


def _add_item_uses(counts: Counter, user_split: tuple[str, Split]) -> None:
    _, split = user_split
    counts.update(split.train)
    # An item that nobody trains on still belongs to the catalog.
    for item in split.valid + split.test:
        counts.setdefault(item, 0)


def _item_rows(joined: tuple[str, dict[str, Any]], features: dict[str, SideFeature]) -> Iterator[_Item]:
    item, group = joined
    for count in group["counts"]:
        title, *cells = next(iter(group["cells"]), [""])
        yield _Item(item, count, title, all_values(features, cells))


def _target_facts(items: beam.PCollection, data: DataConfig) -> beam.PCollection:
    thresholds = (
        items
        | "Counts" >> beam.Map(lambda row: (row.count, 1))
        | "Histogram" >> beam.CombineGlobally(JoinFacts())
        | "Thresholds" >> beam.Map(slices.popularity_thresholds)
    )
    categorical = [n for n, feature in data.item_features.items() if feature.kind == "categorical"]
    return items | "TargetFacts" >> beam.Map(_target_fact, beam.pvalue.AsSingleton(thresholds), categorical)


def _target_fact(
    row: _Item, thresholds: slices.PopularityThresholds, categorical: list[str]
) -> tuple[str, dict[str, Values]]:
    facts = {names.target_feature(name): row.features.get(name, []) for name in categorical}
    band = slices.popularity_band(row.count, thresholds)
    return row.item, {names.TARGET_POPULARITY: encode([band]), **facts}


def _with_user_features(
    pipeline: beam.Pipeline, splits: beam.PCollection, corpus: Corpus, data: DataConfig
) -> beam.PCollection:
    if corpus.users is None:
        return splits | "UserRows" >> beam.MapTuple(lambda user, split: (user, split, {}))
    cells = pipeline | "ReadUsers" >> ReadShards(corpus.users) | "UserCells" >> beam.Map(tuple)
    return (
        {"splits": splits, "cells": cells}
        | "JoinUsers" >> beam.CoGroupByKey()
        | "UserRows" >> beam.FlatMap(_user_rows, data.user_features)
    )


def _user_rows(joined: tuple[str, dict[str, Any]], features: dict[str, SideFeature]) -> Iterator[_User]:
    user, group = joined
    for split in group["splits"]:
        cells = next(iter(group["cells"]), [])
        yield user, split, all_values(features, cells)


class _UserExamples(CountingDoFn):
    """Emits each user's examples under the name of their split."""

    def process(self, row: _User, targets: dict[str, dict[str, Values]]) -> Iterator[TaggedOutput]:
        user, split, features = row
        for name, example in user_examples(user, Split(*split), features, targets).items():
            self.counts[f"{name}/users"] += 1
            self.counts[f"{name}/targets"] += len(getattr(split, name))
            yield TaggedOutput(name, example)


class _CatalogExamples(CountingDoFn):
    def process(self, row: _Item) -> Iterator[bytes]:
        self.counts["catalog/items"] += 1
        self.counts["catalog/cold"] += row.count == 0
        self.counts["catalog/untitled"] += not row.title
        for name, values in row.features.items():
            self.counts[f"catalog/missing/{name}"] += not values
        yield item_example(*row)


def _time_range(sequence: Sequence) -> list[tuple[str, float]]:
    _, events = sequence
    return [("first/time", events[0][0]), ("last/time", events[-1][0])]
