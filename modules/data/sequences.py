"""Rows to one time-ordered list of distinct items a user."""

from collections.abc import Iterable, Iterator

import apache_beam as beam

from modules.data.facts import FACTS, CountingDoFn

Event = tuple[float, str]
"""(time, item); sorts by time, then by item."""
Sequence = tuple[str, list[Event]]
"""(user, events in order)."""


def first_of_each_item(events: Iterable[Event]) -> list[Event]:
    """Returns the events in order, of each item only the earliest."""
    seen: set[str] = set()
    kept = []
    for time, item in sorted(events):
        if item not in seen:
            seen.add(item)
            kept.append((time, item))
    return kept


class _ToSequence(CountingDoFn):
    def process(self, group: tuple[str, Iterable[Event]]) -> Iterator[Sequence]:
        user, events = group
        events = list(events)
        kept = first_of_each_item(events)
        self.counts["sequences/duplicates"] += len(events) - len(kept)
        self.counts["sequences/users"] += 1
        self.counts["sequences/interactions"] += len(kept)
        yield user, kept


def group_by_user(rows: beam.PCollection) -> tuple[beam.PCollection, beam.PCollection]:
    """Returns the `Sequence`s of rows (user, (time, item)), and facts on them."""
    grouped = (
        rows
        | "ByUser" >> beam.GroupByKey()
        | "Order" >> beam.ParDo(_ToSequence()).with_outputs(FACTS, main="sequences")
    )
    return grouped.sequences, grouped[FACTS]
