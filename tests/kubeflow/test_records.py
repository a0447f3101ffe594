"""The last artifact written down is the one found, or none."""

from pathlib import Path

import pytest

from kubeflow import latest, records
from kubeflow.artifacts import ABSENT, Storage
from kubeflow.environment import Place


def test_the_last_one_counts(tmp_path: Path) -> None:
    for number in range(12):
        records.record(str(tmp_path), "Evaluator.corr/model", {"uri": f"gs://b/{number}", "metadata": {"n": number}})
    records.record(str(tmp_path), "Evaluator.corr_scann/model", {"uri": "gs://b/other"})
    assert records.latest(str(tmp_path), "Evaluator.corr/model") == {"uri": "gs://b/11", "metadata": {"n": 11}}


def test_a_record_taken_away_leaves_the_one_before(tmp_path: Path) -> None:
    records.record(str(tmp_path), "Evaluator.corr/model", {"uri": "gs://b/1"})
    Path(records.record(str(tmp_path), "Evaluator.corr/model", {"uri": "gs://b/2"})).unlink()
    assert records.latest(str(tmp_path), "Evaluator.corr/model") == {"uri": "gs://b/1", "metadata": {}}


def test_what_is_half_written_is_not_found(tmp_path: Path) -> None:
    path = Path(records.record(str(tmp_path), "Evaluator.corr/model", {"uri": "gs://b/1"}))
    path.with_name("9" * 20 + "-x.json.1.partial").write_text("{")
    found = records.latest(str(tmp_path), "Evaluator.corr/model")
    assert found is not None
    assert found["uri"] == "gs://b/1"


def test_a_broken_record_is_told(tmp_path: Path) -> None:
    path = Path(records.record(str(tmp_path), "Evaluator.corr/model", {"uri": "gs://b/1"}))
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"must be the record of an artifact.*Received: '\{\}'"):
        records.latest(str(tmp_path), "Evaluator.corr/model")


def test_a_bucket_holds_records_too() -> None:
    records.record("ram://records/corr", "A/b", {"uri": "gs://b/1"})
    assert records.latest("ram://records/corr", "A/b") == {"uri": "gs://b/1", "metadata": {}}


def test_nothing_found_is_marked(tmp_path: Path) -> None:
    records.record(str(tmp_path), "A/out", {"uri": "gs://b/1"})
    place = Place("LatestBlessed.corr", str(tmp_path), Storage())
    assert latest.resolve({"found": "A/out", "missing": "B/out"}, place) == {
        "artifacts": {
            "found": {"artifacts": [{"uri": "gs://b/1", "metadata": {}}]},
            "missing": {"artifacts": [{"metadata": {ABSENT: 1}}]},
        }
    }


def test_outside_of_a_container_the_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIPELINE_RECORDS", raising=False)
    monkeypatch.setenv("PIPELINE_COMPONENT", "Trainer")
    with pytest.raises(RuntimeError, match=r"must be run by Kubeflow Pipelines or .*: no PIPELINE_RECORDS in"):
        Place.here()
