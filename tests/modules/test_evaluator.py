"""Loading models for evaluation, with ScaNN's operations and without."""

import sys

import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma

from modules import evaluator
from tests.lookup_model import save_lookup_model

ANSWERS = {"u1": {"ranked": ["a"]}}


def test_a_portable_model_is_loaded_without_scann(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scann", None)
    model = save_lookup_model(tmp_path, ANSWERS)
    assert not evaluator.needs_scann(model)
    assert "evaluate" in evaluator.load_model(model).signatures


def test_a_scann_model_is_loaded_with_it_and_answers(tmp_path):
    model = save_lookup_model(tmp_path, ANSWERS, fault="scann")
    assert evaluator.needs_scann(model)
    serve = evaluator.load_model(model).signatures["serving_default"]
    answer = serve(user_id=tf.constant(["u1"]), history=tf.constant([["a"]]))
    assert answer["item_id"].numpy().tolist() == [[b"b", b"c", b"d"]]


def test_a_scann_model_without_scann_says_what_to_do(tmp_path, monkeypatch):
    model = save_lookup_model(tmp_path, ANSWERS, fault="scann")
    monkeypatch.setitem(sys.modules, "scann", None)
    with pytest.raises(ImportError, match="Install the pinned scann"):
        evaluator.load_model(model)


def test_the_shared_model_knows_whether_it_is_the_baseline():
    config = tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(name="candidate"),
            tfma.ModelSpec(name="baseline", is_baseline=True),
        ]
    )
    shared = {
        name: evaluator.custom_eval_shared_model("path", name, config, add_metrics_callbacks=None)
        for name in ("candidate", "baseline")
    }
    assert [shared[name].is_baseline for name in shared] == [False, True]
    assert shared["baseline"].model_type == tfma.constants.TF_GENERIC
