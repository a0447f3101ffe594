"""From the filtered corpus to the examples: the last Beam pipeline of the ExampleGen."""

import heapq
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from modules import names
from modules.data.config import DataConfig, SideFeature
from modules.data.examples import slices
from modules.data.examples.encoding import encode, item_example, user_examples
from modules.data.examples.side_features import Values, all_values
from modules.data.examples.splitting import Split, split_events
from modules.data.facts import FACTS, SAMPLES, CountingDoFn, JoinFacts, write_facts
from modules.data.filtering import FilteredData
from modules.data.grouping.counting import COUNTS, ItemCountingDoFn, counts_in
from modules.data.grouping.sequences import CELLS, Sequence, read_sequences
from modules.data.grouping.shards import EachShard, read_shard, write_shard
from modules.data.grouping.spills import Shard, cut_into_shards, read_segments

_HISTOGRAM, _TARGETS = "histogram", "targets"

_TargetFacts = dict[str, dict[str, list[bytes]]]
"""Item -> slice feature -> values."""


class _Item(NamedTuple):
    """What the catalog knows of an item; `count` is in train interactions, `cells` are (title, *raw feature cells)."""

    item: str
    count: int  # type: ignore[assignment]  # the counter takes the name of a method of tuples
    cells: list[str]


def make_examples(
    pipeline: beam.Pipeline, corpus: FilteredData, data: DataConfig, facts_path: str
) -> dict[str, beam.PCollection]:
    """Returns the serialized examples by split, and writes facts on them.

    A worker holds in memory what each item adds to an example that it is a target of, and one user or a shard of
    items.

    Args:
      pipeline: to build in.
      corpus: what `filter_interactions` left.
      data: the settings.
      facts_path: `read_facts` finds them there when the pipeline has run.
    """
    sequences = pipeline | "Sequences" >> EachShard(corpus.sequences)
    counted = sequences | "Count" >> beam.ParDo(_CountItems(corpus.folder, data)).with_outputs(FACTS, COUNTS)
    spills = {COUNTS: counted[COUNTS]}
    if corpus.items is not None:
        spills[CELLS] = pipeline | "ItemCells" >> beam.Create(corpus.items)
    shards = cut_into_shards("ByItem", spills)
    items = shards | "Items" >> beam.ParDo(_JoinItems(corpus.folder)).with_outputs(FACTS, _HISTOGRAM, main="items")
    thresholds = (
        items[_HISTOGRAM]
        | "Histogram" >> beam.CombineGlobally(JoinFacts())
        | "Thresholds" >> beam.Map(slices.popularity_thresholds)
    )
    catalog = items["items"] | "Catalog" >> beam.ParDo(
        _CatalogExamples(data.item_features, corpus.folder), beam.pvalue.AsSingleton(thresholds)
    ).with_outputs(FACTS, _TARGETS, main=names.CATALOG)
    examples = sequences | "Users" >> beam.ParDo(
        _UserExamples(data), beam.pvalue.AsList(catalog[_TARGETS])
    ).with_outputs(FACTS, names.TRAIN, names.VALID, names.TEST)
    write_facts([of_step[FACTS] for of_step in (examples, catalog, items, counted)], facts_path)
    return {
        **{split: examples[split] for split in (names.TRAIN, names.VALID, names.TEST)},
        names.CATALOG: catalog[names.CATALOG],
    }


def _split(sequence: Sequence, data: DataConfig) -> Split:
    return split_events(sequence.user, sequence.events, data)


class _CountItems(ItemCountingDoFn):
    """Counts the items of a shard of `Sequence`s in training, and finds the first and the last time."""

    def __init__(self, folder: str, data: DataConfig) -> None:
        super().__init__(folder)
        self._data = data

    def process(self, path: str) -> Iterator[TaggedOutput]:
        times: list[float] = []
        for sequence in read_sequences(path):
            split = _split(sequence, self._data)
            self.count(split.train)
            # An item that nobody trains on still belongs to the catalog.
            self.count(split.valid + split.test, by=0)
            times = [min([sequence.events[0][0], *times]), max([sequence.events[-1][0], *times])]
        yield TaggedOutput(FACTS, ("first/time", times[0]))
        yield TaggedOutput(FACTS, ("last/time", times[1]))
        yield from self.excess()


class _JoinItems(CountingDoFn):
    """Writes a shard of `_Item`s and emits its path, how many items have each count, and which are in no split."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder

    def process(self, shard: Shard) -> Iterator[Any]:
        counts = counts_in(shard)
        rows: dict[str, list] = {}
        left_out: set[str] = set()
        for item, row in read_segments(shard, CELLS):
            if item in counts:
                rows[item] = min(row, rows.get(item, row))
            else:
                left_out.add(item)
        items = (_Item(item, n, rows[item][-1] if item in rows else [""]) for item, n in counts.items())
        yield from write_shard(self._folder, "items", items)
        for count in counts.values():
            yield TaggedOutput(_HISTOGRAM, (count, 1))
        self.counts["catalog/left_out"] += len(left_out)
        yield TaggedOutput(FACTS, ("sample/left_out", heapq.nsmallest(SAMPLES, left_out)))


class _CatalogExamples(CountingDoFn):
    """Emits the examples of a shard of `_Item`s, and under _TARGETS the path of a shard of what they are as targets."""

    def __init__(self, features: dict[str, SideFeature], folder: str) -> None:
        super().__init__()
        self._features = features
        self._folder = folder
        self._categorical = [name for name, feature in features.items() if feature.kind == "categorical"]

    def process(self, path: str, thresholds: slices.PopularityThresholds) -> Iterator[Any]:
        items = [_Item(*line) for line in read_shard(path)]
        targets = ([row.item, self._target_facts(row, thresholds)] for row in items)
        for target_path in write_shard(self._folder, _TARGETS, targets):
            yield TaggedOutput(_TARGETS, target_path)
        for row in items:
            title, features = self._features_of(row)
            self.counts["catalog/items"] += 1
            self.counts["catalog/cold"] += row.count == 0
            self.counts["catalog/untitled"] += not title
            for name, values in features.items():
                self.counts[f"catalog/missing/{name}"] += not values
            yield item_example(row.item, row.count, title, features)

    def _features_of(self, row: _Item) -> tuple[str, dict[str, Values]]:
        title, *cells = row.cells
        return title, all_values(self._features, cells)

    def _target_facts(self, row: _Item, thresholds: slices.PopularityThresholds) -> dict[str, list[str]]:
        _, features = self._features_of(row)
        facts = {names.TARGET_POPULARITY: [slices.popularity_band(row.count, thresholds)]}
        for name in self._categorical:
            facts[names.target_feature(name)] = [value.decode() for value in features[name]]
        return facts


class _UserExamples(CountingDoFn):
    """Emits the examples of a shard of `Sequence`s under the names of their splits."""

    def __init__(self, data: DataConfig) -> None:
        super().__init__()
        self._data = data
        self._target_paths: list[str] = []
        self._targets: _TargetFacts = {}

    def process(self, path: str, target_paths: list[str]) -> Iterator[TaggedOutput]:
        if target_paths != self._target_paths:
            self._targets = _read_targets(target_paths)
            self._target_paths = target_paths
        for sequence in read_sequences(path):
            split = _split(sequence, self._data)
            self.counts["corpus/users"] += 1
            self._count_ties(sequence, split)
            features = all_values(self._data.user_features, sequence.cells)
            placed = {names.BASKET_START: list(split.train_starts)} if self._data.ties == "basket" else {}
            for name, example in user_examples(sequence.user, split, features, self._targets, placed).items():
                self.counts[f"{name}/users"] += 1
                self.counts[f"{name}/targets"] += len(getattr(split, name))
                self.counts[f"{name}/cold_users"] += not split.train
                yield TaggedOutput(name, example)

    def _count_ties(self, sequence: Sequence, split: Split) -> None:
        times = [time for time, _ in sequence.events]
        tied = [earlier == later for earlier, later in itertools.pairwise(times)]
        self.counts["ties/neighbours"] += sum(tied)
        self.counts["ties/pairs"] += len(tied)
        self.counts["ties/tests"] += bool(split.test) and [False, *tied][-len(split.test)]


def _read_targets(paths: list[str]) -> _TargetFacts:
    """Returns the facts of every item; items of the same facts share them in memory."""
    shared: dict[str, dict[str, list[bytes]]] = {}
    targets = {}
    for path in paths:
        for item, facts in read_shard(path):
            encoded = {name: encode(values) for name, values in facts.items()}
            targets[item] = shared.setdefault(repr(encoded), encoded)
    return targets
