"""The share of a span's rows that stood in the one before it."""

import gzip
import math
import random
from pathlib import Path

import pytest

from modules.data.config import DataConfig
from modules.data.locating import source_for
from modules.data.spans.repeated import repetition, shared
from tests.modules.data.beam_runs import make_pipeline

SOURCE = source_for(DataConfig(source="csv", path="any"))
HEADER = "user_id,item_id,timestamp\n"


def rows(numbers: range) -> list[str]:
    return [f"user {n % 50},item {n % 70},{n}\n" for n in numbers]


def compare(folder: Path, span: list[str], before: list[str]) -> tuple[int, float]:
    (folder / "span.csv").write_text(HEADER + "".join(span))
    (folder / "before.csv").write_text(HEADER + "".join(before))
    found = repetition(make_pipeline, SOURCE, f"{folder}/span.csv", f"{folder}/before.csv", str(folder))
    return found.rows, found.share


@pytest.mark.parametrize(
    ("span", "before", "share"),
    [
        (range(300), range(300), 1.0),
        (range(300), range(300, 600), 0.0),
        (range(100, 300), range(150), 0.25),
        (range(100), range(1000), 1.0),
    ],
)
def test_few_rows_are_compared_exactly(tmp_path: Path, span: range, before: range, share: float) -> None:
    assert compare(tmp_path, rows(span), rows(before)) == (len(span), share)


def test_many_rows_are_compared_within_the_error_of_the_sketch(tmp_path: Path) -> None:
    count, share = compare(tmp_path, rows(range(8_000, 24_000)), rows(range(12_000)))
    assert count == 16_000
    # A quarter of them; four standard errors of a share among the 1,024 hashes of the larger span's sketch.
    assert share == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 1024))


def test_order_files_and_compression_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "before.csv").write_text(HEADER + "".join(rows(range(3_000))))
    shuffled = rows(range(3_000))
    random.Random(1).shuffle(shuffled)
    for number, part in enumerate((shuffled[:700], shuffled[700:])):
        (tmp_path / f"span-{number}.csv.gz").write_bytes(gzip.compress((HEADER + "".join(part)).encode()))
    patterns = [f"{tmp_path}/span-0.csv.gz", f"{tmp_path}/span-1.csv.gz"]
    found = repetition(make_pipeline, SOURCE, patterns, f"{tmp_path}/before.csv", str(tmp_path))
    assert (found.rows, found.share) == (3_000, 1.0)


def test_sketches_are_compared_where_both_are_complete() -> None:
    # 1 to 8, of which the sketch of four keeps 1 to 4; of the other rows, 2, 4, 6 ..., it keeps 2 to 8.
    assert shared([1, 2, 3, 4], [2, 4, 6, 8], 4) == 0.5
    # Below its fourth hash, 4, nothing of the span is missing; above it, 5 is.
    assert shared([1, 2, 3, 4, 5], [2, 4, 9], 5) == 2 / 5
    assert shared([], [1], 4) == 0.0
