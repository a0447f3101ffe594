"""Good models pass, and each way of breaking the serving contract is refused with the reason."""

import pytest
from tfx.types import standard_artifacts

from tests.lookup_model import save_lookup_model, write_examples
from tests.tfx_pipeline.popular_model import save_popular_model
from tests.tfx_pipeline.tiny_runs import tiny_runs
from tfx_pipeline.components import serving_check, serving_probe
from tfx_pipeline.components.infra_blessing import read_refusal
from tfx_pipeline.report.collect import collect

ANSWERS = {"u1": {"ranked": ["a"]}, "u2": {"ranked": ["b"]}}
USERS = [{"user_id": "u1", "history": ["a", "b"]}, {"user_id": "u2", "history": []}]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("seen", "test users (u1): items of the history are recommended again: ['a', 'b']"),
        ("twice", "test users (u1): an item is recommended twice: ['c', 'c', 'c']"),
        ("nan", "an empty history (u1): a score is not finite"),
        ("ascending", "the scores do not descend"),
        ("unknown_user", "an unknown user: InvalidArgumentError"),
    ],
)
def test_a_broken_promise_is_found(tmp_path, fault, reason):
    model = save_lookup_model(tmp_path, ANSWERS, fault=fault)
    assert reason in "\n".join(serving_probe.probe(model, USERS))


def test_a_model_that_keeps_them_passes(tmp_path):
    assert serving_probe.probe(save_lookup_model(tmp_path, ANSWERS), USERS) == []


@pytest.mark.parametrize(
    ("items", "scores", "expected"),
    [
        (["a", "b", ""], [2.0, 1.0, float("-inf")], []),
        (["a", "", "b"], [3.0, 2.0, 1.0], ['padding ("") stands before an item']),
        (["", ""], [0.0, 0.0], ["no item is recommended"]),
        (["a", "b"], [1.0, 1.0], []),
    ],
)
def test_padding_stands_at_the_end_and_is_not_judged(items, scores, expected):
    assert list(serving_probe.problems(items, scores, history=[])) == expected


def test_a_portable_model_must_load_without_scann(tmp_path):
    model = save_lookup_model(tmp_path, ANSWERS, fault="scann")
    refusal = serving_check.check(model, USERS)
    assert refusal.startswith("the SavedModel cannot be loaded")
    assert "Scann>" in refusal


def test_a_slow_model_is_refused():
    assert serving_check.check("nowhere", USERS, timeout_seconds=0) == "it did not answer within 0 seconds"


def test_users_are_read_from_the_split(tmp_path):
    write_examples(tmp_path, [{"user_id": "u1", "history": ["a", "b"]}, {"user_id": "u2", "history": []}])
    assert serving_check.read_users(str(tmp_path), 5) == USERS
    assert serving_check.read_users(str(tmp_path), 1) == USERS[:1]


@pytest.mark.parametrize(("run", "servable", "refusal"), [("good", True, ""), ("worse", False, "recommended twice")])
def test_the_component_blesses_or_refuses_with_the_reason(run, servable, refusal):
    (model,) = collect(tiny_runs().metadata(run), "tiny", num_users=0).models
    assert model.servable is servable
    assert refusal in model.refusal
    assert (model.pushed_to is not None) is servable


def test_the_first_stage_must_keep_them_too(tmp_path):
    model = save_popular_model(tmp_path, fault="empty_history")
    (problem, *_) = serving_probe.probe(model, USERS)
    assert problem.startswith("retrieve: an empty history: InvalidArgumentError")


@pytest.mark.parametrize("validated", [None, 1, 0])
def test_what_the_infra_validator_refuses_is_refused(tmp_path, validated):
    model, examples = standard_artifacts.Model(), standard_artifacts.Examples()
    blessing, verdict = standard_artifacts.InfraBlessing(), standard_artifacts.InfraBlessing()
    model.uri, examples.uri, blessing.uri = (str(tmp_path / name) for name in ("model", "examples", "blessing"))
    examples.split_names = '["test"]'
    save_popular_model(tmp_path / "model" / "Format-Serving")
    write_examples(tmp_path / "examples" / "Split-test", USERS)
    if validated is not None:
        verdict.set_int_custom_property("blessed", validated)
    serving_check.ServingCheck.test_call(
        model=model,
        examples=examples,
        blessing=blessing,
        warmup_users=1,
        validated=None if validated is None else verdict,
    )
    refused = validated == 0
    assert blessing.get_int_custom_property("blessed") == int(not refused)
    assert ("InfraValidator" in read_refusal(blessing.uri)) is refused
    assert (tmp_path / "blessing" / "tf_serving_warmup_requests").exists() is not refused
