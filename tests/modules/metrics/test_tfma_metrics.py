"""The TFMA metrics through a real model analysis, against values worked out by hand."""

import json
import math

import pytest
import tensorflow_model_analysis as tfma

from modules import evaluator
from modules.metrics import tfma_metrics, user_mean
from modules.metrics.config import EvaluationConfig
from tests.lookup_model import save_lookup_model, write_examples
from tfx_pipeline.evaluation import eval_config

# The target is at rank 1, at rank 2, nowhere; u4 has three targets, two of them at ranks 1 and 3;
# u5 has none and counts for nothing.
ANSWERS = {
    "u1": {
        "ranked": ["a", "b", "c"],
        "retrieved": ["b", "a", "c", "d"],
        "exhaustive": ["a", "b", "c"],
        "pool": ["c", "b", "a", "f"],
        "popular": ["f", "a"],
    },
    "u2": {
        "ranked": ["x", "b", "c"],
        "retrieved": ["b", "x", "c", "d"],
        "exhaustive": ["b", "x", "c"],
    },
    "u3": {"ranked": ["x", "y", "z"], "retrieved": ["x", "y", "z", "c"]},
    "u4": {"ranked": ["a", "x", "b"], "retrieved": ["x", "y", "z", "w"]},
    "u5": {"ranked": ["a", "b", "c"], "retrieved": ["a"], "exhaustive": ["a", "b", "c"]},
}
USERS = [
    {"user_id": "u1", "target": "a", "user_activity": "low", "target_genres": ["Comedy", "Drama"]},
    {"user_id": "u2", "target": "b", "user_activity": "low", "target_genres": ["Drama"]},
    {"user_id": "u3", "target": "c", "user_activity": "high", "target_genres": ["Comedy"]},
    {
        "user_id": "u4",
        "target": ["a", "b", "q"],
        "user_activity": "high",
        "target_genres": ["Comedy"],
    },
    {"user_id": "u5", "target": [], "user_activity": "high", "target_genres": ["Comedy"]},
]


@pytest.fixture(scope="module")
def slices(tmp_path_factory) -> dict[tuple, dict[str, float]]:
    folder = tmp_path_factory.mktemp("analysis")
    model = save_lookup_model(folder / "model", ANSWERS)
    pattern = write_examples(folder / "Split-test", USERS)
    config = eval_config(
        EvaluationConfig(cutoffs=[1, 10], must_beat=["retriever"]),
        slice_features=["user_activity", "target_genres"],
        candidates=4,
    )
    # As the Evaluator does where no model was blessed before.
    config = tfma.utils.update_eval_config_with_defaults(config, has_baseline=False, rubber_stamp=True)
    result = tfma.run_model_analysis(
        eval_shared_model=evaluator.custom_eval_shared_model(model, "", config),
        eval_config=config,
        data_location=pattern,
        file_format="tfrecords",
        output_path=str(folder / "results"),
    )
    return {
        key: {name: value["doubleValue"] for name, value in metrics[""][""].items()}
        for key, metrics in result.slicing_metrics
    }


def test_overall_values_are_means_over_the_users_with_targets(slices):
    overall = slices[()]
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    of_u4 = (1 + 1 / math.log2(4)) / ideal
    assert overall["example_count"] == 5
    assert overall["two_stage/recall@10"] == pytest.approx((1 + 1 + 0 + 2 / 3) / 4)
    assert overall["two_stage/ndcg@10"] == pytest.approx((1 + 1 / math.log2(3) + 0 + of_u4) / 4)
    assert overall["two_stage/mrr@10"] == pytest.approx((1 + 1 / 2 + 0 + 1) / 4)
    assert overall["two_stage/recall@1"] == pytest.approx((1 + 0 + 0 + 1 / 3) / 4)
    assert overall["two_stage/ndcg@1"] == pytest.approx((1 + 0 + 0 + 1) / 4)
    assert overall["retriever/mrr@10"] == pytest.approx((1 / 2 + 1 + 1 / 4 + 0) / 4)
    assert overall["retriever/recall@4"] == pytest.approx((1 + 1 + 1 + 0) / 4)
    # Only u1's candidates and popular items are told.
    assert overall["two_stage/recall@4"] == pytest.approx(1 / 4)
    assert overall["popularity/mrr@10"] == pytest.approx(1 / 2 / 4)
    # 1 + 1 / log2(3) + 0 + of_u4, less 1 / log2(3) + 1 + 1 / log2(5) + 0.
    assert overall["gain_over_retriever_ndcg@10"] == pytest.approx((of_u4 - 1 / math.log2(5)) / 4)


def test_standard_error_and_number_of_users(slices):
    values = [1, 1, 0, 2 / 3]
    mean = sum(values) / 4
    variance = sum((value - mean) ** 2 for value in values) / 3
    name = "two_stage/recall@10"
    assert slices[()][f"{name}/{user_mean.USERS}"] == 4
    assert slices[()][f"{name}/{user_mean.STANDARD_ERROR}"] == pytest.approx(math.sqrt(variance / 4))


def test_slices_of_single_and_of_several_values(slices):
    low, comedy = slices[(("user_activity", "low"),)], slices[(("target_genres", "Comedy"),)]
    assert low["two_stage/mrr@10"] == pytest.approx((1 + 1 / 2) / 2)
    assert comedy["two_stage/mrr@10"] == pytest.approx((1 + 0 + 1) / 3)
    assert comedy["example_count"] == 4
    assert len(slices) == 5


def test_cascade_loss_is_taken_over_the_sampled_users(slices):
    # Of u1 and u2 only there is a whole-corpus list: 1 - 1 and 1 - 1 / log2(3).
    assert slices[()]["cascade_loss_ndcg@10"] == pytest.approx((1 - 1 / math.log2(3)) / 2)
    assert slices[()]["cascade_loss_ndcg@10/users"] == 2
    assert slices[()]["exhaustive/ndcg@10"] == pytest.approx(1.0)
    assert slices[()]["exhaustive/ndcg@10/users"] == 2


def test_nobody_sampled_is_nan_not_zero(slices):
    high = slices[(("user_activity", "high"),)]
    assert math.isnan(float(high["cascade_loss_ndcg@10"]))
    assert high["cascade_loss_ndcg@10/users"] == 0


def test_an_unanswered_user_counts_as_a_miss_unless_sampled():
    predictions, targets = {"ranked": [b"", b""]}, {b"a"}
    for sampled, expected in ((False, 0.0), (True, None)):
        (computation,) = tfma_metrics.NDCGAtK(sampled=sampled).computations()
        (preprocessor,) = computation.preprocessors
        extracts = {"predictions": predictions, "labels": list(targets)}
        assert list(preprocessor.process(extracts)) == ([] if expected is None else [expected])


def test_merging_accumulators_changes_nothing():
    (computation,) = tfma_metrics.RecallAtK().computations()
    combiner, values = computation.combiner, [0.25, 1.0, 0.5, 0.0, 1.0]
    whole = combiner.add_inputs(combiner.create_accumulator(), values)
    parts = [combiner.add_inputs(combiner.create_accumulator(), part) for part in (values[:2], values[2:], [])]
    merged = combiner.merge_accumulators(parts)
    assert combiner.extract_output(merged) == pytest.approx(combiner.extract_output(whole))


def test_metric_survives_its_configuration():
    metric = tfma_metrics.MRRAtK(k=3, prediction_key="retrieved", name="x")
    assert tfma_metrics.MRRAtK.from_config(json.loads(json.dumps(metric.get_config()))).name == "x"


@pytest.mark.parametrize("metric", [tfma_metrics.NDCGAtK, tfma_metrics.NDCGGainAtK])
def test_cutoff_must_be_positive(metric):
    with pytest.raises(ValueError, match="`k` must be a positive integer. Received: k=0."):
        metric(k=0)


def test_unknown_output_is_named():
    (computation,) = tfma_metrics.RecallAtK(prediction_key="items").computations()
    with pytest.raises(ValueError, match=r"`prediction_key` must be an output .* Received: 'items'."):
        list(computation.preprocessors[0].process({"predictions": {"ranked": [b"a"]}, "labels": [b"a"]}))
