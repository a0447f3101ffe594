"""Grouping through files: nothing is lost, shards stay small, and what is held does not grow with the rows."""

import collections
import random
from pathlib import Path

import pytest
import tensorflow as tf

from modules.data.config import DataConfig
from modules.data.grouping import counting, spills
from modules.data.grouping.counting import COUNTS, ItemCountingDoFn, counts_in
from modules.data.grouping.sequences import CELLS, ROWS, GroupByUser, read_sequences
from modules.data.grouping.shards import read_shard, write_shard
from modules.data.grouping.spills import (
    SLOTS,
    CombinedSpills,
    Shard,
    SpillSmallest,
    SpillWriter,
    as_spills,
    read_segments,
)
from tests.modules.data.beam_runs import Result, run

KIND = "rows"
KEYS = [f"key {number} é" for number in range(300)]


def spill(folder: Path, rows: list[tuple[str, int]]) -> list[spills.Spill]:
    writer = SpillWriter(str(folder), KIND)
    return [file for row in rows for file in writer.add(*row)] + list(writer.rest())


def shards(files: list[spills.Spill], kind: str = KIND) -> list[Shard]:
    return list(spills.shards_of([(kind, file) for file in files]))


@pytest.fixture
def rows() -> list[tuple[str, int]]:
    rng = random.Random(0)
    return [(rng.choice(KEYS), number) for number in range(5_000)]


@pytest.mark.parametrize(("spill_bytes", "shard_bytes"), [(1 << 20, 1 << 20), (700, 4_000), (1, 1)])
def test_every_row_of_a_key_is_in_one_shard(
    tmp_path: Path, rows: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, spill_bytes: int, shard_bytes: int
) -> None:
    monkeypatch.setattr(spills, "SPILL_BYTES", spill_bytes)
    monkeypatch.setattr(spills, "SHARD_BYTES", shard_bytes)
    # A file of 1025 numbers a row is too slow for all of them.
    rows = rows if spill_bytes > 1 else rows[:50]
    found = [list(read_segments(shard, KIND)) for shard in shards(spill(tmp_path, rows))]
    assert sorted((key, value) for of_shard in found for key, value in of_shard) == sorted(rows)
    keys = [{key for key, _ in of_shard} for of_shard in found]
    assert sum(map(len, keys)) == len(set.union(*keys))


def test_a_shard_is_no_larger_than_allowed_unless_it_is_one_slot(
    tmp_path: Path, rows: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 2_000
    monkeypatch.setattr(spills, "SHARD_BYTES", limit)
    files = spill(tmp_path, [*rows, *(("popular", number) for number in range(400))])
    sizes = []
    for shard in shards(files):
        size = sum(stop - start for _, start, stop in shard[KIND])
        popular = any(key == "popular" for key, _ in read_segments(shard, KIND))
        assert popular or size <= limit
        sizes.append(size)
    assert sum(sizes) == sum(Path(path).stat().st_size for path, _ in files)
    # Neighbours are put together: two that would have fitted into one shard are not left apart.
    assert all(left + right > limit for left, right in zip(sizes, sizes[1:], strict=False))


def test_kinds_of_lines_of_a_key_come_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spills, "SHARD_BYTES", 100)
    numbers = spill(tmp_path, [(key, 1) for key in KEYS])
    letters = spill(tmp_path, [(key, 2) for key in KEYS[::3]])
    tagged = [("numbers", file) for file in numbers] + [("letters", file) for file in letters]
    seen = set()
    for shard in spills.shards_of(tagged):
        keys = {key for key, _ in read_segments(shard, "numbers")}
        assert {key for key, _ in read_segments(shard, "letters")} == keys & set(KEYS[::3])
        seen |= keys
    assert seen == set(KEYS)


def test_nothing_makes_no_file_and_no_shard(tmp_path: Path) -> None:
    assert spill(tmp_path, []) == []
    assert list(spills.shards_of([])) == []
    assert not any(tmp_path.iterdir())


def test_spills_survive_json(tmp_path: Path) -> None:
    files = spill(tmp_path, [("a", 1)])
    assert write_shard(str(tmp_path), "facts", files) != []
    (path,) = (str(path) for path in tmp_path.glob("facts-*"))
    assert as_spills(list(read_shard(path))) == files
    assert len(files[0][1]) == SLOTS + 1


def test_combined_values_are_moved_to_files_when_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spills, "SPILLED_KEYS", 10)
    monkeypatch.setattr(spills, "SPILL_BYTES", 200)
    combined = CombinedSpills(str(tmp_path), KIND)
    files, most = [], 0
    for number in range(1_000):
        key = KEYS[number % 50]
        combined.values[key] = combined.values.get(key, 0) + 1
        files += combined.excess()
        most = max(most, len(combined.values))
    files += combined.rest()
    assert most <= 10
    totals: collections.Counter = collections.Counter()
    for shard in shards(files):
        for key, count in read_segments(shard, KIND):
            totals[key] += count
    assert totals == dict.fromkeys(KEYS[:50], 20)


def test_of_several_rows_the_smallest_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spills, "SPILLED_KEYS", 2)
    keep = SpillSmallest(str(tmp_path), CELLS)
    keep.start_bundle()
    rows = [
        ("a", (1, 5.0, ("", "x"))),
        ("b", (0, 1.0, ("t", "x"))),
        ("c", (0, 2.0, ("t", "z"))),
        ("a", (0, 9.0, ("t", "y"))),
    ]
    files = [file for row in rows for file in keep.process(row)]
    files += [windowed.value for windowed in keep.finish_bundle()]
    best: dict[str, list] = {}
    for shard in shards(files):
        for key, row in read_segments(shard, KIND):
            best[key] = min(row, best.get(key, row))
    assert best == {"a": [0, 9.0, ["t", "y"]], "b": [0, 1.0, ["t", "x"]], "c": [0, 2.0, ["t", "z"]]}


def grouped(folder: Path, events: list[tuple[str, list]], cells: list[tuple[str, list]]) -> tuple[list, dict, dict]:
    """Returns the sequences, the items' counts and the facts of a `GroupByUser` over one shard."""
    tagged = [(ROWS, file) for file in spill(folder, events)] + [(CELLS, file) for file in spill(folder, cells)]
    (shard,) = spills.shards_of(tagged)
    group = GroupByUser(str(folder), DataConfig(seed=1))
    group.start_bundle()
    emitted = list(group.process(shard))
    facts, counts = {}, {}
    for output in group.finish_bundle():
        if output.tag == COUNTS:
            for counted in shards([output.value.value], COUNTS):
                counts |= counts_in(counted)
        else:
            facts |= dict([output.value.value])
    return [sequence for path in emitted for sequence in read_sequences(path)], counts, facts


def test_users_get_their_events_in_order_and_their_fullest_cells(tmp_path: Path) -> None:
    events = [("u", [3.0, "b", True]), ("v", [1, "b", True]), ("u", [1.0, "b", True]), ("u", [1.0, "a", True])]
    cells = [("u", [1, 1.0, [""]]), ("u", [0, 7.0, ["old"]]), ("w", [0, 1.0, ["nobody"]])]
    sequences, counts, facts = grouped(tmp_path, events, cells)
    assert sorted(map(tuple, sequences)) == [("u", [[1.0, "a"], [1.0, "b"]], ["old"]), ("v", [[1, "b"]], [])]
    assert counts == {"a": 1, "b": 2}
    expected = {"sequences/duplicates": 1, "sequences/users": 2, "sequences/interactions": 3}
    assert facts == {**expected, "sequences/capped_users": 0}


def test_counting_may_add_nothing(tmp_path: Path) -> None:
    counter = ItemCountingDoFn(str(tmp_path))
    counter.start_bundle()
    counter.count(["a", "a", "b"])
    counter.count(["b", "c"], by=0)
    (output,) = [o for o in counter.finish_bundle() if o.tag == counting.COUNTS]
    (shard,) = shards([output.value.value], COUNTS)
    assert counts_in(shard) == {"a": 2, "b": 1, "c": 0}


def test_an_empty_shard_is_not_written_and_a_broken_write_is_closed(tmp_path: Path) -> None:
    assert write_shard(str(tmp_path), "rows", iter([])) == []

    def failing():
        yield 1
        raise KeyError("broken")

    with pytest.raises(KeyError):
        write_shard(str(tmp_path), "rows", failing())
    (path,) = map(str, tmp_path.iterdir())
    assert list(read_shard(path)) == [1]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """The same rows once in one shard and once in as many as there can be."""
    folder = tmp_path_factory.mktemp("rows")
    rng = random.Random(4)
    lines = [f"u{rng.randrange(40)},i{rng.randrange(60)},{rng.randrange(999)},t{rng.randrange(3)}" for _ in range(1500)]
    (folder / "rows.csv").write_text("user_id,item_id,timestamp,kind\n" + "\n".join(lines))
    data = DataConfig(
        source="csv",
        path=str(folder / "rows.csv"),
        item_features={"kind": {"column": "kind"}},
        user_features={"town": {"column": "kind"}},
        min_user_interactions=8,
        min_item_interactions=12,
    )
    whole = run(data, folder / "whole")
    with pytest.MonkeyPatch.context() as patch:
        for name, size in (("SPILL_BYTES", 4_000), ("SHARD_BYTES", 500), ("SPILLED_KEYS", 5)):
            patch.setattr(spills, name, size)
        return [whole, run(data, folder / "cut")]


def test_the_examples_do_not_feel_the_shards(results: list[Result]) -> None:
    whole, cut = results
    assert whole.report["corpus"]["interactions"] > 500
    assert whole.examples == cut.examples
    assert whole.report == cut.report


def test_spills_are_read_through_tensorflows_file_systems() -> None:
    # `ram://` stands for every file system that is no folder of this machine.
    writer = SpillWriter("ram://spills", KIND)
    files = [*writer.add("a", 1), *writer.add("b", 2), *writer.rest()]
    assert sorted(row for shard in shards(files) for row in read_segments(shard, KIND)) == [["a", 1], ["b", 2]]
    assert tf.io.gfile.exists(files[0][0])
