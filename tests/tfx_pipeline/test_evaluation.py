"""The Evaluator's configuration, and what the real one makes of a good model and a worse one."""

import json
import math

import pytest
import tensorflow_model_analysis as tfma

from modules.metrics.config import EvaluationConfig
from tests.tfx_pipeline.tiny_runs import tiny_runs
from tfx_pipeline import evaluation
from tfx_pipeline.report.collect import collect
from tfx_pipeline.report.contents import Model


def _named(config: tfma.EvalConfig) -> dict[str, tfma.MetricConfig]:
    metrics = [metric for spec in config.metrics_specs for metric in spec.metrics if metric.config]
    return {json.loads(metric.config)["name"]: metric for metric in metrics}


def _model(run: str) -> Model:
    (model,) = collect(tiny_runs().metadata(run), "tiny", num_users=0).models
    return model


def test_every_stage_and_cutoff_is_measured_and_the_candidates_recall():
    names = _named(evaluation.eval_config(EvaluationConfig(cutoffs=[5]), ["genre"], candidates=100))
    stages = {f"{s}/{m}@{k}" for s in ("two_stage", "retriever") for m in ("recall", "ndcg", "mrr") for k in (5, 10)}
    assert set(names) == stages | {f"popularity/{metric}@10" for metric in ("recall", "ndcg", "mrr")} | {
        "retriever/recall@100",
        "two_stage/recall@100",
        "exhaustive/ndcg@10",
        "cascade_loss_ndcg@10",
    }


def test_a_cutoff_equal_to_the_candidates_is_measured_once():
    config = evaluation.eval_config(EvaluationConfig(cutoffs=[10]), [], candidates=10)
    names = [json.loads(m.config)["name"] for spec in config.metrics_specs for m in spec.metrics if m.config]
    assert names.count("retriever/recall@10") == 1
    assert names.count("two_stage/recall@10") == 1
    assert _named(config)["two_stage/recall@10"].per_slice_thresholds


def test_where_all_items_are_candidates_the_retriever_has_no_bound_and_no_gate():
    names = _named(evaluation.eval_config(EvaluationConfig(cutoffs=[5]), [], candidates="all"))
    assert {name for name in names if name.startswith("retriever/recall")} == {
        "retriever/recall@5",
        "retriever/recall@10",
    }
    assert [name for name, metric in names.items() if metric.per_slice_thresholds] == ["two_stage/ndcg@10"]


def test_nothing_is_said_of_the_cascade_where_nobody_is_sampled():
    names = _named(evaluation.eval_config(EvaluationConfig(full_ranking_share=0), [], candidates=100))
    assert not any(name.startswith(("exhaustive", "cascade")) for name in names)


def test_gates_look_at_the_overall_slice_only():
    settings = EvaluationConfig(min_ndcg=0.1, min_recall=0.3, max_ndcg_drop=0.02)
    config = evaluation.eval_config(settings, ["genre"], candidates=100)
    gated = {name: m.per_slice_thresholds for name, m in _named(config).items() if m.per_slice_thresholds}
    assert set(gated) == {"two_stage/ndcg@10", "two_stage/recall@100"}
    for (threshold,) in gated.values():
        assert list(threshold.slicing_specs) == [tfma.SlicingSpec()]
    ndcg, recall = (
        gated["two_stage/ndcg@10"][0].threshold,
        gated["two_stage/recall@100"][0].threshold,
    )
    assert ndcg.value_threshold.lower_bound.value == 0.1
    assert ndcg.change_threshold.absolute.value == -0.02
    assert recall.value_threshold.lower_bound.value == 0.3
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[], ["genre"]]


def test_a_model_can_be_asked_to_beat_what_is_simpler():
    names = _named(evaluation.eval_config(EvaluationConfig(must_beat=["popularity", "retriever"]), [], candidates=100))
    for stage, key in (("popularity", "popular"), ("retriever", "retrieved")):
        metric = names[f"gain_over_{stage}_ndcg@10"]
        assert metric.class_name == "NDCGGainAtK"
        assert json.loads(metric.config).items() >= {"prediction_key": "ranked", "over_key": key}.items()
        (gate,) = metric.per_slice_thresholds
        assert gate.threshold.value_threshold.lower_bound.value == 0
        assert list(gate.slicing_specs) == [tfma.SlicingSpec()]


def test_the_first_model_is_blessed_on_its_own_merits():
    model = _model("good")
    overall = model.evaluation.overall
    assert model.blessed
    assert model.evaluation.changes == {}
    # Ranks 1, 1, 1, 2, 2 and none; the retriever's 2, 2, 2, 2, 2, 3; rank 1 for the four users
    # whose whole corpus is ranked.
    assert overall["two_stage/ndcg@10"].value == pytest.approx((3 + 2 / math.log2(3)) / 6)
    assert overall["retriever/ndcg@10"].value == pytest.approx((5 / math.log2(3) + 1 / 2) / 6)
    assert overall["retriever/recall@4"].value == pytest.approx(1.0)
    assert overall["two_stage/recall@4"].value == pytest.approx(1.0)
    assert overall["popularity/ndcg@10"].value == pytest.approx(1 / 6)
    assert overall[evaluation.CASCADE_LOSS].value == pytest.approx((1 - 1 / math.log2(3)) / 4)
    assert overall[evaluation.CASCADE_LOSS].users == 4


def test_a_worse_model_is_refused_against_the_blessed_one():
    model = _model("worse")
    assert not model.blessed
    assert model.evaluation.changes["two_stage/ndcg@10"] == pytest.approx(-3 / 6)
    failed = [(gate.metric, gate.kind) for gate in model.evaluation.gates if not gate.passed]
    assert failed == [("two_stage/ndcg@10", "change")]
