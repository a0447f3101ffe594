"""Files as people have them: what the filters leave of each."""

from pathlib import Path
from typing import Any

import pytest

from modules.data.config import DataConfig
from modules.data.grouping.sequences import one_of_each_item, read_sequences
from tests.modules.data.beam_runs import corpus_of

INPUTS = Path(__file__).parent / "inputs"


def settings_of(case: str, **settings: Any) -> DataConfig:
    (path,) = INPUTS.glob(f"{case}-*/rows.csv*")
    least = {"min_user_interactions": 1, "min_item_interactions": 1}
    return DataConfig(source="csv", path=str(path), **{**least, **settings})


@pytest.mark.parametrize(
    ("case", "settings", "users", "interactions"),
    [
        ("71", {"columns": {"rating": "rating"}}, 12, 96),
        # A third of the rows, of two thirds of the users, is rated 3 or above.
        ("72", {"columns": {"rating": "rating"}}, 8, 32),
        # Twelve users play one item fifty times each.
        ("83", {}, 12, 12),
        ("95", {"columns": {"rating": "rating"}}, 12, 96),
    ],
)
def test_what_is_left(tmp_path: Path, case: str, settings: dict[str, Any], users: int, interactions: int) -> None:
    facts = corpus_of(settings_of(case, **settings), tmp_path).facts
    assert (facts["sequences/users"], facts["sequences/interactions"]) == (users, interactions)


def test_users_of_one_item_only_are_left_out_and_counted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="600 read.*588 dropped as repetitions, and 12 dropped by"):
        corpus_of(settings_of("83", min_user_interactions=2), tmp_path)


def test_the_last_word_counts(tmp_path: Path) -> None:
    data = settings_of("95", columns={"rating": "rating"}, keep="last")
    with pytest.raises(
        ValueError, match="No rows are left after filtering: 192 read.*96 dropped by `data.min_rating`.* 96 dropped as"
    ):
        corpus_of(data, tmp_path)


def test_a_crawler_is_capped(tmp_path: Path) -> None:
    corpus = corpus_of(settings_of("93", max_user_interactions=50), tmp_path)
    lengths = {s.user: len(s.events) for path in corpus.sequences for s in read_sequences(path)}
    assert lengths.pop("bot") == 50
    assert max(lengths.values()) <= 10
    assert corpus.facts["sequences/capped_users"] == 1


@pytest.mark.parametrize(
    ("keep", "events"),
    [("first", [(1.0, "a"), (2.0, "b"), (3.0, "c")]), ("last", [(4.0, "a"), (6.0, "b")])],
)
def test_which_row_of_an_item_counts(keep: str, events: list[tuple[float, str]]) -> None:
    # a is liked twice, b is disliked in between, c is liked first and then not: at one time, too.
    rows = [(1.0, "a", True), (2.0, "b", True), (3.0, "c", True), (4.0, "a", True)]
    rows += [(5.0, "b", False), (6.0, "b", True), (7.0, "c", False), (7.0, "c", True)]
    assert one_of_each_item("u", rows[::-1], DataConfig(keep=keep)) == events


def test_a_cap_below_the_least_is_refused() -> None:
    with pytest.raises(ValueError, match="`max_user_interactions` must not be below `min_user_interactions` = 10"):
        DataConfig(max_user_interactions=9)
