"""A look at the interactions before anything is computed from them, in one process and without Beam's runners."""

import collections
import dataclasses
import itertools
import math
import os
from typing import Any

from modules.data import locating
from modules.data.config import DataConfig
from modules.data.facts import SAMPLES
from modules.data.grouping.sequences import Event, Rated, one_of_each_item
from modules.data.reading import bad_rows, files
from modules.data.reading.conversion import Part
from modules.data.reading.parsing import Row, place, rows_of
from modules.data.reading.rows import BadRow
from modules.data.report import iso_time
from modules.data.spans import windows

_FEWEST_ITEMS = 3
"""Of a user: the least that leaves one to validate and one to test on."""


@dataclasses.dataclass
class Look:
    """What was found; None where it did not come to that.

    Attributes:
      format: of the first file: "csv", "jsonl", "parquet", "sequences" or "tfrecord".
      encoding: of its text.
      delimiter: of its columns.
      columns: as its header names them.
      first_rows: cells of its first rows.
      rows: in all files.
      set_aside: rows that cannot be used.
      reasons: how many rows were set aside, by why.
      left_out: rows that a condition, a policy or `min_rating` leaves out.
      users: of the rows that are left.
      items: likewise.
      first: time of the earliest row, ISO 8601.
      last: of the latest.
      repeats: rows of a user and an item that had come together before.
      tied_neighbours: share of a user's items that have the time of the one before.
      tied_tests: share of users whose last item has the time of the one before.
      kept: users, items and interactions that the k-core leaves.
      problems: what keeps a run from starting, a line each.
    """

    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    columns: list[str] | None = None
    first_rows: list[list[str]] | None = None
    rows: int | None = None
    set_aside: int | None = None
    reasons: dict[str, int] = dataclasses.field(default_factory=dict)
    left_out: int | None = None
    users: int | None = None
    items: int | None = None
    first: str | None = None
    last: str | None = None
    repeats: int | None = None
    tied_neighbours: float | None = None
    tied_tests: float | None = None
    kept: dict[str, int] | None = None
    problems: list[str] = dataclasses.field(default_factory=list)


def look(data: DataConfig, work_folder: str) -> Look:
    """Returns what the configured data are; memory and time grow with the interactions.

    Args:
      data: the settings.
      work_folder: for what is read to be written to as Parquet.
    """
    found = Look()
    try:
        patterns = _patterns(data, work_folder)
        _recognise(found, data, patterns)
        locating.check(data, work_folder)
        events = _read(found, data, patterns, work_folder)
    except (ValueError, OSError) as error:
        found.problems.append(str(error))
        return found
    sequences = {user: one_of_each_item(user, of_user, data) for user, of_user in events.items()}
    sequences = {user: sequence for user, sequence in sequences.items() if sequence}
    found.users = len(sequences)
    found.items = len({item for sequence in sequences.values() for _, item in sequence})
    liked = sum(row[2] for of_user in events.values() for row in of_user)
    found.repeats = liked - sum(map(len, sequences.values()))
    most = data.max_user_interactions
    kept = _core({user: sequence[-most:] if most else sequence for user, sequence in sequences.items()}, data)
    found.kept = {
        "users": len(kept),
        "items": len({item for sequence in kept.values() for _, item in sequence}),
        "interactions": sum(map(len, kept.values())),
    }
    _judge(found, kept, data)
    return found


def _patterns(data: DataConfig, work_folder: str) -> list[str]:
    parts = [data]
    if windows.in_spans(data):
        parts = [windows.of_span(data, span) for span in windows.window(data)]
    return [os.path.join(*locating.source_for(part).locate(work_folder)) for part in parts]


def _recognise(found: Look, data: DataConfig, patterns: list[str]) -> None:
    source = locating.source_for(data)
    paths = files.matching(patterns)
    file = source.recognise(paths[0], source.columns_read(items=False, users=False)) if paths else None
    if file is None:
        return
    found.format, found.encoding, found.columns = file.format, file.encoding, list(file.columns)
    found.delimiter = file.delimiter if file.format == "csv" else None
    found.first_rows = [list(row) for row in file.rows[:3]]


def _read(found: Look, data: DataConfig, patterns: list[str], work_folder: str) -> dict[str, list[Rated]]:
    """Returns each user's rows as they stand in the files, and notes what was counted on the way."""
    source = locating.source_for(data)
    wanted = source.columns_read(items=False, users=False)
    converted = source.convert(patterns, wanted, work_folder)
    facts = collections.defaultdict(int, converted.facts)
    found.left_out = 0
    events: dict[str, list[Rated]] = collections.defaultdict(list)
    first, last = math.inf, -math.inf
    for part, row in ((each, row) for each in converted.parts for row in rows_of(each)):
        facts["interactions/read"] += 1
        try:
            event = source.interaction(row.cells, items=False, users=False) if row.counts else None
        except BadRow as error:
            _set_aside(facts, str(error), part, row)
            continue
        rated_low = event is not None and None not in (event.rating, data.min_rating) and event.rating < data.min_rating
        if event is None or rated_low:
            found.left_out += 1
        if event is None or (rated_low and data.keep == "first"):
            continue
        if event.timestamp is None:
            time = float(place(row.file, row.row)) if data.order == "file" else 0.0
        else:
            time = event.timestamp
            first, last = min(first, time), max(last, time)
        events[event.user].append((time, event.item, not rated_low))
    found.rows, found.set_aside = facts["interactions/read"], facts["interactions/bad"]
    found.reasons = bad_rows.reasons_of(facts, bad_rows.INTERACTIONS)
    try:
        bad_rows.require_readable(facts, patterns, data)
    except ValueError as error:
        found.problems.append(str(error))
    if first <= last:
        found.first, found.last = iso_time(first), iso_time(last)
    return events


def _set_aside(facts: dict[str, Any], reason: str, part: Part, row: Row) -> None:
    facts["interactions/bad"] += 1
    facts[f"reason/interactions/{reason}"] += 1
    samples = facts[f"sample/interactions/{reason}"] or []
    if len(samples) < SAMPLES:
        samples.append([os.path.basename(part.path), part.lines + row.row + 1, ",".join(row.cells.values())])
    facts[f"sample/interactions/{reason}"] = samples


def _core(sequences: dict[str, list[Event]], data: DataConfig) -> dict[str, list[Event]]:
    """Returns what the k-core leaves: users and items of too few are dropped until nothing changes."""
    while True:
        counts = collections.Counter(item for sequence in sequences.values() for _, item in sequence)
        kept = {
            user: [event for event in sequence if counts[event[1]] >= data.min_item_interactions]
            for user, sequence in sequences.items()
        }
        kept = {user: sequence for user, sequence in kept.items() if len(sequence) >= data.min_user_interactions}
        if sum(map(len, kept.values())) == sum(map(len, sequences.values())):
            return kept
        sequences = kept


def _judge(found: Look, kept: dict[str, list[Event]], data: DataConfig) -> None:
    if not any(len(sequence) >= _FEWEST_ITEMS for sequence in kept.values()):
        found.problems.append(
            "The filters must leave a user of three or more items. Received: "
            f"{found.kept}. Lower `data.min_user_interactions`, `data.min_item_interactions` or `data.min_rating`."
        )
    if found.first is None:
        return
    tied = [a[0] == b[0] for sequence in kept.values() for a, b in itertools.pairwise(sequence)]
    tests = [sequence for sequence in kept.values() if len(sequence) >= _FEWEST_ITEMS]
    found.tied_neighbours = sum(tied) / max(1, len(tied))
    found.tied_tests = sum(sequence[-1][0] == sequence[-2][0] for sequence in tests) / max(1, len(tests))
    if data.task == "sequential" and data.ties == "shuffle" and found.tied_tests > data.max_tied_share:
        found.problems.append(
            f"Of {found.tied_tests:.1%} of the users the last item has the time of the one before, more than "
            f"`data.max_tied_share` = {data.max_tied_share:.0%} allows: set `data.ties: basket` or "
            "`data.task: general`, or name a column of finer times."
        )
