"""The k-core: users and items with at least k interactions among themselves, and nobody else.

A round drops the rare items, then the users left with too little. Rounds repeat until one drops
nothing; the result does not depend on the order, since the k-core is unique.
"""

from collections.abc import Iterator

import apache_beam as beam

from modules.data.counting import Counter, CountKeys
from modules.data.facts import FACTS, CountingDoFn
from modules.data.sequences import Sequence


def core_round(
    sequences: beam.PCollection, number: int, min_user: int, min_item: int
) -> tuple[beam.PCollection, list[beam.PCollection]]:
    """Returns the `Sequence`s that one round leaves, and facts on what it dropped.

    The only thing a worker holds in memory is the set of rare items.

    Args:
      sequences: to filter.
      number: of the round, from 1; facts are named "kcore/<number>/users|items|interactions".
      min_user: a user with fewer items is dropped.
      min_item: an item with fewer users is dropped.
    """
    label = f"Round{number}"
    rare = (
        sequences
        | f"{label}/Count" >> CountKeys(_add_items)
        | f"{label}/Rare" >> beam.ParDo(_Rare(number, min_item)).with_outputs(FACTS, main="rare")
    )
    kept = sequences | f"{label}/Drop" >> beam.ParDo(
        _Drop(number, min_user), rare=beam.pvalue.AsDict(rare.rare)
    ).with_outputs(FACTS, main="kept")
    return kept.kept, [rare[FACTS], kept[FACTS]]


def _add_items(counts: Counter, sequence: Sequence) -> None:
    counts.update(item for _, item in sequence[1])


class _Rare(CountingDoFn):
    def __init__(self, number: int, min_item: int) -> None:
        super().__init__()
        self._name = f"kcore/{number}/items"
        self._min_item = min_item

    def process(self, count: tuple[str, int]) -> Iterator[tuple[str, int]]:
        if count[1] < self._min_item:
            self.counts[self._name] += 1
            yield count


class _Drop(CountingDoFn):
    def __init__(self, number: int, min_user: int) -> None:
        super().__init__()
        self._name = f"kcore/{number}"
        self._min_user = min_user

    def process(self, sequence: Sequence, rare: dict[str, int]) -> Iterator[Sequence]:
        user, events = sequence
        kept = [event for event in events if event[1] not in rare] if rare else events
        if len(kept) < self._min_user:
            self.counts[f"{self._name}/users"] += 1
            kept = []
        self.counts[f"{self._name}/interactions"] += len(events) - len(kept)
        if kept:
            yield user, kept
