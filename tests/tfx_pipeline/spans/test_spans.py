"""Days that arrive one after the other: what is read of them, and what stops the run."""

import collections
import os
import re

import pytest
from ml_metadata.proto import metadata_store_pb2

from tests.tfx_pipeline.spans.day_runs import EVENTS, NUM_USERS, day_runs, newest_records
from tfx_pipeline.spans.drift_gate import DriftError, verify
from tfx_pipeline.spans.reading import RepeatedSpanError

_EXECUTION = metadata_store_pb2.Execution
BEFORE_TRAINING = ("InteractionExampleGen", "StatisticsGen", "SchemaGate", "DriftGate", "AcceptStatistics", "Transform")


@pytest.mark.parametrize("name", ["first", "second", "after"])
def test_normal_days_pass(name: str) -> None:
    run = day_runs()[name]
    assert run.error is None
    assert {node: run.states[node] for node in BEFORE_TRAINING} == dict.fromkeys(BEFORE_TRAINING, _EXECUTION.COMPLETE)


def test_the_report_names_spans_versions_and_rows() -> None:
    (first,) = day_runs()["first"].report["spans"]["read"]
    assert re.fullmatch(r".*/days/1/v1/\*\.csv", first.pop("path"))
    assert first == {"span": 1, "version": 1, "label": "1 (version 1)", "rows": NUM_USERS * EVENTS}
    second = day_runs()["second"].report
    assert [(span["span"], span["version"], span["rows"]) for span in second["spans"]["read"]] == [
        (1, 1, NUM_USERS * EVENTS),
        (2, 2, NUM_USERS * EVENTS),
    ]
    assert second["rows"]["read"] == 2 * NUM_USERS * EVENTS


def test_the_newest_split_holds_every_event_of_the_newest_span() -> None:
    records = newest_records(day_runs()["second"])
    assert len(records) == NUM_USERS
    kinds: collections.Counter[bytes] = collections.Counter()
    for record in records:
        assert len(record["target"]) == len(record["item_format"]) == len(record["target_kind"]) == EVENTS
        assert record["user_activity"] == [b"5-9"]
        assert record["user_format"] == [b"a 9"]
        assert set(record["item_format"]) == {b"a 9"}
        kinds.update(record["target_kind"])
    assert set(kinds) == {b"even", b"odd"}


def test_a_bad_day_is_stopped_before_anything_is_made_of_it() -> None:
    run = day_runs()["bad"]
    assert isinstance(run.error, DriftError)
    assert run.states["DriftGate"] == _EXECUTION.FAILED
    assert not {"Transform", "AcceptStatistics"} & run.states.keys()


def test_the_error_names_features_distances_and_thresholds_and_what_to_do() -> None:
    message = str(day_runs()["bad"].error)
    assert message.startswith("Span 3 must be like the data before it")
    formats = r"item_format, against the last accepted span: .* is 1 \(up to six significant digits\), above .* 0\.1\."
    assert re.search(formats, message)
    (drift,) = re.findall(
        r"target, against the last accepted span: .* is ([\d.]+) .* above the threshold 0\.2", message
    )
    # One item has all of the events, where it had none.
    assert float(drift) == 1.0
    (skew,) = re.findall(r"target, against the train split: .* is ([\d.]+) .* above the threshold 0\.3", message)
    assert 0.3 < float(skew) < 1
    assert "PIPELINE_ACCEPT_DRIFT=3" in message
    assert "`data.spans.exclude`: [3]" in message


def test_a_bad_day_can_be_accepted_by_its_number() -> None:
    uris = day_runs()["bad"].uris
    drift, skew = uris["DriftValidator.anomalies"], uris["SkewValidator.anomalies"]
    verify(drift, skew, span=3, accept_span=3, schema_path="schemas/")
    with pytest.raises(DriftError):
        verify(drift, skew, span=3, accept_span=2, schema_path="schemas/")


def test_the_first_day_has_nothing_to_be_compared_with_but_its_own_train_split() -> None:
    run = day_runs()["first"]
    assert run.baseline_span is None
    assert not os.listdir(run.uris["DriftValidator.anomalies"])
    assert os.listdir(run.uris["SkewValidator.anomalies"]) == ["SplitPair-newest_train"]


@pytest.mark.parametrize(("name", "baseline"), [("second", 1), ("bad", 2), ("after", 2), ("again", 4)])
def test_a_day_is_compared_with_the_last_that_was_accepted(name: str, baseline: int) -> None:
    assert day_runs()[name].baseline_span == baseline


def test_a_comparison_that_was_never_made_does_not_pass(tmp_path) -> None:
    with pytest.raises(DriftError, match="`skew` must hold a comparison with the train split"):
        verify(str(tmp_path), str(tmp_path), span=1, accept_span=-1, schema_path="schemas/")


def test_the_same_days_again_come_from_the_cache() -> None:
    states = day_runs()["again"].states
    cached = {node for node, state in states.items() if state == _EXECUTION.CACHED}
    assert cached >= {"InteractionExampleGen", "StatisticsGen", "SchemaGate", "SkewValidator", "AcceptStatistics"}
    assert "Transform" in cached


def test_a_day_that_comes_twice_is_refused_before_it_is_read() -> None:
    run = day_runs()["repeated"]
    assert isinstance(run.error, RepeatedSpanError)
    assert run.states["InteractionExampleGen"] == _EXECUTION.FAILED
    assert "StatisticsGen" not in run.states
    assert re.match(
        rf"Span 5 \(version 1\) repeats span 4 \(version 1\): 100% of its {NUM_USERS * EVENTS} rows stood there "
        r"already, more than `data.spans.max_repeated_share` = 50% allows\. .*`data\.spans\.exclude`: \[5\]",
        str(run.error),
    )
