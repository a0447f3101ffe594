"""The data report as a file, and what it must not say."""

from pathlib import Path

import pytest

from modules.data import report
from modules.data.config import DataConfig

SPLITS = {split: {"users": 3, "targets": 9} for split in ("train", "valid", "test")}


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    summary = {"splits": SPLITS, "source": "ü"}
    report.write_report(summary, str(tmp_path))
    assert report.read_report(str(tmp_path)) == summary


@pytest.mark.parametrize("empty", ["valid", "test"])
def test_an_empty_split_is_refused(empty: str) -> None:
    corpus = {"users": 3, "interactions": 18, "first": "2024-01-01", "last": "2024-02-01"}
    summary = {"split": "fractions", "corpus": corpus, "splits": SPLITS | {empty: {"users": 0, "targets": 0}}}
    with pytest.raises(ValueError, match=f"Split '{empty}' is empty: of 3 users none has three"):
        report.require_every_split(summary)
    with pytest.raises(ValueError, match=f"Split '{empty}' is empty: the 18 .* lie between 2024-01-01 and 2024-02-01"):
        report.require_every_split(summary | {"split": "date"})


def test_full_splits_are_fine() -> None:
    report.require_every_split({"split": "date", "splits": SPLITS})


def test_a_random_order_is_not_learnt_from(caplog: pytest.LogCaptureFixture) -> None:
    ties = {"ties": {"neighbours": 0.5, "tests": 0.3}}
    with caplog.at_level("INFO"):
        report.require_order(ties, DataConfig(warn_tied_share=0.4))
        assert "50.0% of a user's items have the time of the one before; of the test items 30.0%" in caplog.text
        assert not any(record.levelname == "WARNING" for record in caplog.records)
        report.require_order(ties, DataConfig())
        assert caplog.records[-1].levelname == "WARNING"
        assert "`data.ties: basket`" in caplog.text
    with pytest.raises(ValueError, match=r"items 30.0%, more than `data.max_tied_share` = 20%"):
        report.require_order(ties, DataConfig(max_tied_share=0.2))
    for fine in ({"task": "general"}, {"ties": "basket"}):
        report.require_order(ties, DataConfig(max_tied_share=0.2, **fine))
