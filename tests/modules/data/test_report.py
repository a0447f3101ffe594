"""The data report as a file, and what it must not say."""

from pathlib import Path

import pytest

from modules.data import report

SPLITS = {split: {"users": 3, "targets": 9} for split in ("train", "valid", "test")}


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    summary = {"splits": SPLITS, "source": "ü"}
    report.write_report(summary, str(tmp_path))
    assert report.read_report(str(tmp_path)) == summary


@pytest.mark.parametrize("empty", ["valid", "test"])
def test_an_empty_split_is_refused(empty: str) -> None:
    summary = {"corpus": {"users": 3}, "splits": SPLITS | {empty: {"users": 0, "targets": 0}}}
    with pytest.raises(ValueError, match=f"Split '{empty}' is empty: of 3 users none has three"):
        report.require_every_split(summary)


def test_full_splits_are_fine() -> None:
    report.require_every_split({"splits": SPLITS})
