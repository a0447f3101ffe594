"""The facts of real runs: blessed and pushed, refused, and stopped by the schema gate."""

import shutil

import pytest

from tests.tfx_pipeline import tiny_runs as tiny
from tfx_pipeline.report.collect import collect


@pytest.fixture(scope="module")
def good():
    return collect(tiny.tiny_runs().metadata("good"), tiny.NAME, num_users=3)


def test_the_run_and_its_components(good):
    assert [step.name for step in good.steps][-3:] == ["Evaluator", "ServingCheck", "Pusher"]
    assert {step.state for step in good.steps} == {"run"}
    assert good.seconds > 1
    assert not good.failed
    assert good.notes == []


def test_the_model_is_named_after_what_it_is_pushed_to(good):
    (model,) = good.models
    assert model.name == "corr"
    assert model.accepted
    assert good.blessed
    assert model.pushed_to == str(tiny.tiny_runs().pushed / "corr" / model.version)


def test_slices_come_with_users_and_standard_errors(good):
    slices = {(s.feature, s.value): s.metrics for s in good.models[0].evaluation.slices}
    low = slices["user_activity", "low"]["two_stage/ndcg@10"]
    assert (low.value, low.error, low.users) == (1.0, 0.0, 3)
    assert slices["target_genres", "Drama"]["two_stage/ndcg@10"].users == 3


def test_history_data_report_and_statistics(good):
    assert good.history == tiny.HISTORY
    assert good.data_report == tiny.DATA_REPORT
    assert good.examples == {"test": 6}
    assert good.anomalies == {"test": []}
    (activity,) = [f for f in good.statistics if f.name == "user_activity"]
    assert (activity.kind, activity.present, activity.missing, activity.unique) == (
        "string",
        6,
        0,
        2,
    )
    assert "low (3)" in activity.summary


def test_users_have_titles_and_hits(good):
    assert [user.user for user in good.users] == ["u2", "u5", "u3"]
    first = good.users[0]
    assert [item.title for item in first.history] == ["Alien <1979>"]
    assert [item.title for item in first.recommended] == ["Brazil & Co", "Cube", "Dune"]
    assert [item.hit for item in first.recommended] == [True, False, False]
    assert first.targets[0].hit


def test_a_refused_model_is_not_pushed_and_says_why():
    facts = collect(tiny.tiny_runs().metadata("worse"), tiny.NAME, num_users=1)
    (model,) = facts.models
    assert not facts.blessed
    assert model.pushed_to is None
    assert model.reasons[0].startswith("two_stage/ndcg@10 changed by -0.5000 against the last blessed model")
    assert model.reasons[1].startswith("serving check: test users (u1): an item is recommended twice")
    assert {step.name: step.state for step in facts.steps}["StatisticsGen"] == "cached"


def test_a_stopped_run_is_reported_as_far_as_it_came():
    facts = collect(tiny.tiny_runs().metadata("bad_data"), tiny.NAME)
    assert facts.failed == ["SchemaGate"]
    assert not facts.blessed
    assert facts.models == []
    assert facts.users == []
    assert facts.examples == {"test": 6}


def test_a_part_that_cannot_be_read_is_noted_and_costs_no_other(tmp_path):
    runs = tiny.tiny_runs()
    serving, aside = runs.pushed, tmp_path / "aside"
    shutil.move(serving, aside)
    try:
        facts = collect(runs.metadata("good"), tiny.NAME)
    finally:
        shutil.move(aside, serving)
    assert facts.users == []
    assert facts.models[0].accepted
    (note,) = facts.notes
    assert note.startswith("recommendations: ")


def test_unknown_pipelines_and_missing_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"one that has run, of \['tiny'\]. Received: 'other'."):
        collect(tiny.tiny_runs().metadata("good"), "other")
    with pytest.raises(ValueError, match="`metadata_path` must be the SQLite file"):
        collect(str(tmp_path / "none.sqlite"), tiny.NAME)
