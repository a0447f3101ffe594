"""The Beam pipelines against a plain-Python reference, and on rows that cannot be read."""

import collections
import csv
import gzip
import random
from pathlib import Path

import pytest

from modules.data.config import Columns, DataConfig
from tests.modules.data import reference
from tests.modules.data.beam_runs import Result, corpus_of, run
from tests.modules.data.reference import Row

USERS = ["u 1", 'u"2"', "u\t3", "ü4", "日本", " u6", "u,7", *(f"v{n}" for n in range(33))]
ITEMS = ["i 1", 'i"2', "i\t3", "í4", "項", "i,6", *(f"j{n}" for n in range(24))]
HEADER = ["who", "what", "stars", "when", "name", "kinds", "town"]
COLUMNS = {"user": "who", "item": "what", "rating": "stars", "timestamp": "when", "title": "name"}
SETTINGS = {
    "source": "csv",
    "item_features": {"genres": {"column": "kinds", "separator": "|"}},
    "user_features": {"city": {"column": "town"}},
}


def random_rows(seed: int, count: int = 900) -> list[Row]:
    """Rows with repeated pairs, ties in time, and cells that are missing from some rows only."""
    rng = random.Random(seed)
    genres = {item: rng.choice(["", "A", "A|B", "B|C|ü"]) for item in ITEMS}
    popularity = [1 / (place + 1) for place in range(len(ITEMS))]
    rows = []
    for _ in range(count):
        user, (item,) = rng.choice(USERS), rng.choices(ITEMS, popularity)
        rows.append(
            Row(
                user,
                item,
                rng.choice([1.0, 2.5, 3.0, 4.0, 5.0]),
                rng.randrange(300),
                rng.choice(["", f"Title of {item}"]),
                rng.choice(["", genres[item]]),
                rng.choice(["", f"city {USERS.index(user) % 3}"]),
            )
        )
    return rows


def write_csv(path: Path, rows: list[Row]) -> None:
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(rows)


def plain_csv(path: Path, lines: list[str]) -> DataConfig:
    """Writes `user,item,timestamp` lines; returns settings that keep every row that is read."""
    path.write_text("user_id,item_id,timestamp\n" + "\n".join(lines))
    return DataConfig(source="csv", path=str(path), min_user_interactions=1, min_item_interactions=1)


@pytest.mark.parametrize(
    ("seed", "settings"),
    [
        (0, {"task": "sequential", "min_user_interactions": 4, "min_item_interactions": 5}),
        (1, {"task": "general", "min_user_interactions": 5, "min_item_interactions": 9}),
        (2, {"task": "general", "min_user_interactions": 1, "min_item_interactions": 1}),
        (3, {"task": "sequential", "min_rating": None, "min_item_interactions": 6}),
    ],
)
def test_examples_match_the_reference(tmp_path: Path, seed: int, settings: dict) -> None:
    rows = random_rows(seed)
    write_csv(tmp_path / "part-0.csv", rows[:500])
    write_csv(tmp_path / "part-1.csv.gz", rows[500:])
    (tmp_path / "_SUCCESS").touch()
    data = DataConfig(**SETTINGS, **settings, path=str(tmp_path), columns=COLUMNS)
    result = run(data, tmp_path / "out")
    assert result.examples == reference.examples_of(rows, data)
    check_report(result, rows, data)


def check_report(result: Result, rows: list[Row], data: DataConfig) -> None:
    report = result.report
    least = data.min_rating or 0
    kept = [row for row in rows if row.rating >= least]
    pairs = {(row.user, row.item) for row in kept}
    assert report["rows"]["read"] == len(rows)
    assert report["rows"]["set_aside"] == 0
    assert report["rows"]["below_min_rating"] == len(rows) - len(kept)
    assert report["rows"]["duplicates"] == len(kept) - len(pairs)
    dropped = sum(of_round["interactions"] for of_round in report["kcore_rounds"])
    corpus = report["corpus"]
    assert corpus["interactions"] == len(pairs) - dropped
    assert corpus["users"] == len(result.examples["train"])
    assert corpus["items"] == len(result.examples["catalog"])
    assert corpus["density"] == corpus["interactions"] / (corpus["users"] * corpus["items"])
    assert corpus["first"].startswith("1970-01-01T00:0")
    assert report["kcore_rounds"][-1]["interactions"] == 0
    for split in ("train", "valid", "test"):
        examples = result.examples[split]
        assert report["splits"][split] == {
            "users": len(examples),
            "targets": sum(len(example["target"]) for example in examples),
        }


def test_the_core_is_exact_however_many_rounds_it_takes(tmp_path: Path) -> None:
    # A chain of users, each sharing one item with the next: every round only loosens one end, until
    # the ring of four users at the other end is all that is left.
    length = 12
    chain = [line for n in range(length) for line in (f"c{n},x{n},1", f"c{n},x{n + 1},2")]
    ring = [line for n in range(4) for line in (f"r{n},y{n},1", f"r{n},y{(n + 1) % 4},2")]
    data = plain_csv(tmp_path / "chain.csv", [*chain, f"c{length - 1},y0,3", *ring])
    data = data.model_copy(update={"min_user_interactions": 2, "min_item_interactions": 2})
    corpus = corpus_of(data, tmp_path)
    assert len(corpus.rounds) == length + 1
    assert corpus.rounds[-1] == {"users": 0, "items": 0, "interactions": 0}
    assert sum(of_round["users"] for of_round in corpus.rounds) == length


def test_without_timestamps_the_order_of_files_and_rows_counts(tmp_path: Path) -> None:
    for name, items in [("a.csv", "dcb"), ("b.csv", "ea")]:
        lines = "".join(f"u,{item}\n" for item in items)
        (tmp_path / name).write_text(f"user_id,item_id\n{lines}")
    data = DataConfig(
        source="csv",
        path=str(tmp_path / "*.csv"),
        columns={"timestamp": None},
        order="file",
        min_user_interactions=1,
        min_item_interactions=1,
    )
    result = run(data, tmp_path / "out")
    assert result.examples["test"][0]["history"] == [b"d", b"c", b"b", b"e"]
    assert result.report["corpus"]["first"] is None


def test_without_timestamps_the_general_task_splits_at_random(tmp_path: Path) -> None:
    lines = [f"u{user},i{item:02}," for user in range(200) for item in range(10)]
    data = plain_csv(tmp_path / "rows.csv", lines).model_copy(
        update={"task": "general", "columns": Columns(timestamp=None)}
    )
    result = run(data, tmp_path / "out")
    tests = collections.Counter(example["target"][0] for example in result.examples["test"])
    # Of ten items each tests one in ten users: 20 of 200, give or take four standard deviations of 4.2.
    assert len(tests) == 10
    assert all(abs(count - 20) < 17 for count in tests.values())
    assert run(data.model_copy(update={"seed": 18}), tmp_path / "other").examples != result.examples


def test_equal_times_are_neither_in_the_order_of_ids_nor_of_the_file(tmp_path: Path) -> None:
    lines = [f"u{user},i{item:02},{item // 5}" for user in range(200) for item in range(10)]
    data = plain_csv(tmp_path / "rows.csv", lines)
    result = run(data, tmp_path / "out")
    tests = collections.Counter(example["target"][0] for example in result.examples["test"])
    # The last of five items of the second time, at random: 40 of 200 each, give or take four deviations of 5.7.
    assert set(tests) == {f"i{item:02}".encode() for item in range(5, 10)}
    assert all(abs(count - 40) < 23 for count in tests.values())
    assert result.report["ties"] == {"neighbours": 8 / 9, "tests": 1.0}


def test_baskets_are_cut_by_no_split(tmp_path: Path) -> None:
    baskets = ["ab", "c", "de", "fgh"]
    lines = [f"u,{item},{time}" for time, basket in enumerate(baskets) for item in basket]
    data = plain_csv(tmp_path / "rows.csv", lines).model_copy(update={"ties": "basket"})
    examples = run(data, tmp_path / "out").examples
    (train,), (valid,), (test,) = (examples[split] for split in ("train", "valid", "test"))
    assert sorted(train["target"]) == [b"a", b"b", b"c"]
    assert train["basket_start"] == [0, 0, 2]
    assert (sorted(valid["history"]), sorted(valid["target"])) == ([b"a", b"b", b"c"], [b"d", b"e"])
    assert (len(test["history"]), sorted(test["target"])) == (5, [b"f", b"g", b"h"])


def test_by_date_no_user_trains_on_what_came_after(tmp_path: Path) -> None:
    times = {"old": [0, 10, 20, 30], "new": [20, 25, 40], "late": [35], "early": [1, 2]}
    lines = [f"{user},i{place},{time}" for user, of_user in times.items() for place, time in enumerate(of_user)]
    dates = {"valid_from": "1970-01-01T00:00:20", "test_from": "1970-01-01T00:00:30"}
    data = DataConfig(**plain_csv(tmp_path / "rows.csv", lines).model_dump() | dates | {"split": "date"})
    result = run(data, tmp_path / "out")
    users = {name: [example["user_id"][0] for example in result.examples[name]] for name in ("train", "valid", "test")}
    assert {name: sorted(ids) for name, ids in users.items()} == {
        "train": [b"early", b"old"],
        "valid": [b"new", b"old"],
        "test": [b"late", b"new", b"old"],
    }
    test = {example["user_id"][0]: example for example in result.examples["test"]}
    assert (test[b"old"]["history"], test[b"old"]["target"]) == ([b"i0", b"i1", b"i2"], [b"i3"])
    assert (test[b"new"]["history"], test[b"new"]["user_activity"]) == ([b"i0", b"i1"], [b"0"])
    assert "history" not in test[b"late"]
    assert result.report["corpus"]["users"] == 4
    assert result.report["cold_users"] == {"valid": 1, "test": 2}
    assert result.report["split"] == "date"


def test_bad_rows_are_set_aside_counted_and_sampled(tmp_path: Path) -> None:
    good = [f"u{user},i{item},{item}" for user in range(3) for item in range(4)]
    bad = ["u0,i9", "u0,i9,1,1", ",i9,1", "u0,,1", "u0,i9,soon", "u0,i8,later", "u7,i", '"u0,i9,1']
    data = plain_csv(tmp_path / "rows.csv", [*good, "", *bad])
    data = data.model_copy(update={"max_bad_row_share": 0.5, "quote": '"'})
    rows = run(data, tmp_path / "out").report["rows"]
    assert (rows["read"], rows["set_aside"]) == (20, 8)
    assert rows["reasons"] == {
        "2 cells where the table has 3 columns": 2,
        "4 cells where the table has 3 columns": 1,
        "no user id": 1,
        "no item id": 1,
        "unreadable timestamp": 2,
        "broken quoting": 1,
    }
    samples = [s["text"] for s in rows["samples"] if s["reason"] == "unreadable timestamp"]
    assert samples == ["u0,i9,soon", "u0,i8,later"]
    assert {sample["file"] for sample in rows["samples"]} == {"rows.csv"}


def test_too_many_bad_rows_stop_the_run(tmp_path: Path) -> None:
    data = plain_csv(tmp_path / "rows.csv", ["u,i,1", "u,j,tomorrow"])
    with pytest.raises(ValueError) as error:
        corpus_of(data, tmp_path)
    message = str(error.value)
    for part in [
        "1 of 2 rows of",
        "rows.csv",
        "`data.max_bad_row_share` = 1.00%",
        "'unreadable timestamp': 1",
        "'u,j,tomorrow'",
    ]:
        assert part in message


def test_filters_that_leave_nothing_say_what_each_dropped(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("user_id,item_id,timestamp,stars\nu,i,1,5\nu,i,2,5\nu,j,3,5\nu,k,4,1\n")
    data = DataConfig(source="csv", path=str(path), columns={"rating": "stars"})
    with pytest.raises(ValueError) as error:
        corpus_of(data, tmp_path)
    message = str(error.value)
    for part in [
        "4 read",
        "1 dropped by `data.min_rating` = 3.0",
        "1 dropped as repetitions",
        "2 dropped by `data.min_user_interactions` = 10 and `data.min_item_interactions` = 10",
    ]:
        assert part in message


def test_a_file_of_nothing_but_a_header_leaves_no_rows(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No rows are left after filtering: 0 read"):
        corpus_of(plain_csv(tmp_path / "rows.csv", []), tmp_path)


def test_a_separate_table_of_items_and_users_is_joined(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,name,price\na,Apple,1.5\nb,Bread,dear\nz,Zoo,9\n")
    (tmp_path / "users.csv").write_text("user_id,age\nu,33\nx,44\n")
    data = plain_csv(tmp_path / "rows.csv", [f"{u},{i},{t}" for u in "uv" for t, i in enumerate("abc")])
    data = DataConfig.model_validate(
        {
            **data.model_dump(),
            "columns": {"title": "name"},
            "items_path": str(tmp_path / "items.csv"),
            "users_path": str(tmp_path / "users.csv"),
            "item_features": {"price": {"column": "price", "kind": "numeric"}},
            "user_features": {"age": {"column": "age", "kind": "numeric"}},
        }
    )
    result = run(data, tmp_path / "out")
    assert result.examples["catalog"] == [
        {"item_id": [b"a"], "item_count": [2], "item_title": [b"Apple"], "price": [1.5]},
        {"item_id": [b"b"], "item_count": [0], "item_title": [b"Bread"]},
        {"item_id": [b"c"], "item_count": [0]},
    ]
    assert [example.get("age") for example in result.examples["train"]] == [[33.0], None]
    assert result.report["side_tables"]["items"]["read"] == 3
    assert result.report["catalog"]["without_feature"] == {"price": 2}
    assert result.report["catalog"]["without_title"] == 1
    assert result.report["catalog"]["left_out"] == {"items": 1, "samples": ["z"]}
