"""The generated interactions: sizes, exponents, sessions, drift, and that the same seed writes the same bytes."""

import csv
import gzip
import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.capacity import generate as command
from benchmarks.capacity import interactions, power_law
from benchmarks.capacity.generate import generate, population
from benchmarks.capacity.interactions import BEHAVIOURS, FIRST_SECOND, Population, Rows, Statistics
from modules.data import locating
from modules.data.config import DataConfig
from modules.data.reading.parsing import rows_of

INTERACTIONS = 300_000


@pytest.fixture(scope="module")
def source() -> Population:
    return population(INTERACTIONS, seed=3)


@pytest.fixture(scope="module")
def rows(source: Population) -> Rows:
    blocks = [source.draw(block) for block in range(len(source.blocks))]
    return Rows(*(np.concatenate(columns) for columns in zip(*blocks, strict=True)))


def read(path: Path) -> list[list[str]]:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", newline="") as file:
        return list(csv.reader(file))


def test_every_interaction_user_and_item_is_there(rows: Rows) -> None:
    assert len(rows.user) == INTERACTIONS
    assert np.array_equal(np.unique(rows.user), np.arange(1, 1 + round(INTERACTIONS * command.USERS_SHARE)))
    items = round(INTERACTIONS * command.ITEMS_SHARE)
    assert rows.item.min() >= 1
    assert rows.item.max() <= items
    assert len(np.unique(rows.item)) > 0.99 * items


def test_the_exponents_are_those_asked_for(rows: Rows) -> None:
    activity = np.bincount(rows.user)[1:]
    # Every user's count is drawn by the law itself, up to rounding.
    assert power_law.fitted_exponent(activity, activity.min() + 1, activity.max()) == pytest.approx(2.2, abs=0.05)
    popularity = np.bincount(rows.item)
    # What is drawn by a weight scatters around it: below some 30 draws the scatter bends the law.
    assert power_law.fitted_exponent(popularity, 30, popularity.max()) == pytest.approx(2.2, abs=0.1)


@pytest.mark.parametrize("exponent", [1.0, 1.6, 2.2, 3.0])
def test_the_fit_recovers_an_exponent(exponent: float) -> None:
    # At 1 exactly the quantiles have another form.
    drawn = power_law.quantile(np.random.default_rng(0).random(50_000), exponent + 1e-6, 100) * 20
    # At both ends of the law, rounding takes from one side only.
    assert power_law.fitted_exponent(np.rint(drawn), 22, 1_800) == pytest.approx(exponent, abs=0.04)


def test_a_fit_needs_values_between_its_bounds() -> None:
    with pytest.raises(ValueError, match="at least two between 5 and 9. Received: 1."):
        power_law.fitted_exponent(np.array([1, 7, 30]), 5, 9)


@pytest.mark.parametrize(("size", "total"), [(1, 1), (3, 3), (10, 1_000), (1_000, 68_123)])
def test_counts_add_up(size: int, total: int) -> None:
    counts = power_law.counts_with_total(size, total, 2.2, 50)
    assert counts.sum() == total
    assert counts.min() >= 1
    assert np.all(np.diff(counts) >= 0)


def test_interactions_come_in_sessions(rows: Rows) -> None:
    same_user = rows.user[1:] == rows.user[:-1]
    gaps = np.diff(rows.time)[same_user]
    within = gaps[gaps < 1_800]
    # A session of five has four gaps within and one to the next session.
    assert len(within) / len(gaps) == pytest.approx(0.8, abs=0.03)
    # The middle of the log-normal law lies at exp(5.3) seconds; its upper end is cut off at half an hour.
    whole = stats.lognorm(1.3, scale=np.exp(5.3))
    assert np.median(within) == pytest.approx(whole.ppf(whole.cdf(1_800) / 2), rel=0.05)


def test_a_session_keeps_to_its_category(rows: Rows) -> None:
    same_user = rows.user[1:] == rows.user[:-1]
    close = np.diff(rows.time) < 1_800
    same_category = rows.category[1:] == rows.category[:-1]
    within, across = same_category[same_user & close].mean(), same_category[same_user & ~close].mean()
    assert within > across + 0.1
    # Categories are shared by chance too: those of two users agree less often than those of one.
    strangers = np.random.default_rng(0).permutation(rows.category)
    assert across > 2 * (strangers == rows.category).mean()


def test_popularity_drifts() -> None:
    def share_of_days(drift: float) -> np.ndarray:
        drawn = population(100_000, items=200, seed=1, statistics=Statistics(drift=drift)).draw(0)
        item = np.bincount(drawn.item).argmax()
        days = (drawn.time[drawn.item == item] - FIRST_SECOND) // 86_400
        everyone = np.bincount((drawn.time - FIRST_SECOND) // 86_400, minlength=9)
        return np.bincount(days, minlength=9) / everyone

    def swing(shares: np.ndarray) -> float:
        return (shares.max() - shares.min()) / shares.mean()

    assert swing(share_of_days(0.9)) > 2 * swing(share_of_days(0.0))


def test_behaviours_are_as_common_as_in_the_original(rows: Rows) -> None:
    shares = np.bincount(rows.behaviour) / len(rows.behaviour)
    assert dict(zip(BEHAVIOURS, shares, strict=True)) == pytest.approx(
        {"pv": 0.895, "cart": 0.055, "fav": 0.03, "buy": 0.02}, abs=0.003
    )


@pytest.mark.parametrize("order", ["user", "time"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
def test_the_same_seed_writes_the_same_bytes(tmp_path: Path, order: command.Order, name: str) -> None:
    def digest(seed: int, folder: str) -> str:
        path = tmp_path / folder / name
        generate(population(5_000, seed=seed), path, order)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    assert digest(1, "a") == digest(1, "b")
    assert digest(1, "c") != digest(2, "c")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [name]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "_BLOCK_INTERACTIONS", 10_000)


@pytest.mark.usefixtures("small_blocks")
def test_both_orders_hold_the_same_rows(tmp_path: Path) -> None:
    source = population(60_000, seed=5)
    tables = {}
    for order in ("user", "time"):
        generate(source, tmp_path / order, order)
        tables[order] = np.loadtxt(tmp_path / order, np.int64, delimiter=",", usecols=(0, 1, 4))
    assert len(source.blocks) >= 4
    by_user, by_time = tables["user"], tables["time"]
    assert np.all(np.diff(by_user[:, 0]) >= 0)
    assert np.all(np.diff(by_time[:, 2]) >= 0)
    for key in (by_user, by_time):
        key[:] = key[np.lexsort(key.T)]
    assert np.array_equal(by_user, by_time)


def test_the_file_is_read_as_taobao(tmp_path: Path) -> None:
    path = tmp_path / "UserBehavior.csv"
    command.main(["--interactions", "500", "--users", "20", "--items", "50", "--output", str(path)])
    written = read(path)
    assert len(written) == 500
    assert len({row[0] for row in written}) == 20
    # An item is of one category.
    assert len({(row[1], row[2]) for row in written}) == len({row[1] for row in written})
    data = DataConfig(source="taobao", path=str(path))
    locating.check(data, "")
    source = locating.source_for(data)
    parts = source.convert(str(path), source.columns_read(items=True, users=False), str(tmp_path)).parts
    rows = [row for part in parts for row in rows_of(part)]
    assert len(rows) == 500
    assert all(source.interaction(row.cells, items=True, users=False) for row in rows)


@pytest.mark.usefixtures("small_blocks")
def test_memory_holds_a_block_whatever_the_number_of_interactions(tmp_path: Path) -> None:
    def peak(size: int) -> int:
        tracemalloc.start()
        generate(population(size, users=2_000, items=2_000), tmp_path / "rows.csv", "time")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(200_000) < 1.3 * peak(100_000)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 1, 1), "`interactions` must be at least 1. Received: 0."),
        ((5, 0, 1), "`users` must be at least 1. Received: 0."),
        ((5, 1, -2), "`items` must be at least 1. Received: -2."),
        ((5, 6, 1), "`users` must be at most `interactions`, 5. Received: 6."),
    ],
)
def test_sizes_that_cannot_be_are_refused(sizes: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        population(*sizes)


def test_the_command_refuses_them_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--interactions", "5", "--users", "6", "--output", str(tmp_path / "rows.csv")])
    assert "`users` must be at most `interactions`, 5. Received: 6." in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
