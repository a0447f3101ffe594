"""What the Evaluator measures, in which slices, and what a model must reach to be blessed."""

import json
from collections.abc import Iterator
from typing import Literal

import tensorflow_model_analysis as tfma

from modules.metrics.config import EvaluationConfig

SIGNATURE = "evaluate"
LABEL = "target"

HEADLINE_K = 10
"""The cutoff of the gates, the headline and the slices; always among the configured ones."""

METRICS = {"recall": "RecallAtK", "ndcg": "NDCGAtK", "mrr": "MRRAtK"}
"""Metric -> its class in `modules.metrics.tfma_metrics`."""

STAGES = {
    "two_stage": "ranked",
    "retriever": "retrieved",
    "exhaustive": "exhaustive",
    "popularity": "popular",
}
"""What is judged -> the output of the `evaluate` signature that holds its lists."""

POOL = "pool"
"""The output that holds all of the second stage's candidates."""


def metric_name(stage: str, metric: str, k: int) -> str:
    """Returns the name a metric has in the results, such as `two_stage/ndcg@10`."""
    return f"{stage}/{metric}@{k}"


CASCADE_LOSS = f"cascade_loss_ndcg@{HEADLINE_K}"
"""NDCG of ranking the whole corpus minus that of the two stages, over the same sampled users."""

Candidates = int | Literal["all"]
"""How many items the retriever hands to the ranker; all of them is a number only once the corpus is known."""


def eval_config(evaluation: EvaluationConfig, slice_features: list[str], candidates: Candidates) -> tfma.EvalConfig:
    """Returns the configuration of the Evaluator.

    Measured are Recall, NDCG and MRR at each cutoff, of the two stages and of the retriever alone, and
    at 10 of the most popular items; Recall@`candidates` of the retriever and of the candidates of both
    channels, which bounds what the ranker can reach (left out with its gate where all items are
    candidates: nothing bounds it then); and what the cascade loses. The gates look at the overall slice
    only: a slice of ten users must not be able to hold a model back.

    Args:
      evaluation: cutoffs, bounds and the share of users whose whole corpus is ranked.
      slice_features: features of the test examples to slice by, each with all of its values.
      candidates: how many items the retriever hands to the ranker.

    Returns:
      A config of one model. Where a model was blessed before, the Evaluator adds it as the
      baseline; where none was, it leaves out the comparison.
    """
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(signature_name=SIGNATURE, label_key=LABEL, model_type=tfma.constants.TF_GENERIC)],
        slicing_specs=[tfma.SlicingSpec()] + [tfma.SlicingSpec(feature_keys=[key]) for key in slice_features],
        metrics_specs=[tfma.MetricsSpec(metrics=list(_metrics(evaluation, candidates)))],
    )


def _metrics(evaluation: EvaluationConfig, candidates: Candidates) -> Iterator[tfma.MetricConfig]:
    yield tfma.MetricConfig(class_name="ExampleCount")
    gates = _gates(evaluation, candidates)
    for stage in ("two_stage", "retriever"):
        for metric in METRICS:
            cutoffs = set(evaluation.cutoffs)
            if metric == "recall" and candidates != "all":
                cutoffs.add(candidates)
            for k in sorted(cutoffs):
                key = POOL if stage == "two_stage" and k not in evaluation.cutoffs else STAGES[stage]
                yield _metric(stage, metric, k, key, gate=gates.get(metric_name(stage, metric, k)))
    for metric in METRICS:
        yield _metric("popularity", metric, HEADLINE_K, STAGES["popularity"])
    for stage in evaluation.must_beat:
        name = f"gain_over_{stage}_ndcg@{HEADLINE_K}"
        no_loss = tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.0}))
        yield _gated(_gain(name, STAGES["two_stage"], STAGES[stage]), no_loss)
    if evaluation.full_ranking_share > 0:
        # Only the whole-corpus lists are made for a sample of the users.
        yield _metric("exhaustive", "ndcg", HEADLINE_K, STAGES["exhaustive"], sampled=True)
        yield _gain(CASCADE_LOSS, STAGES["exhaustive"], STAGES["two_stage"], sampled=True)


def _gates(evaluation: EvaluationConfig, candidates: Candidates) -> dict[str, tfma.MetricThreshold]:
    gates = {
        metric_name("two_stage", "ndcg", HEADLINE_K): tfma.MetricThreshold(
            value_threshold=tfma.GenericValueThreshold(lower_bound={"value": evaluation.min_ndcg}),
            change_threshold=tfma.GenericChangeThreshold(
                direction=tfma.MetricDirection.HIGHER_IS_BETTER,
                absolute={"value": -evaluation.max_ndcg_drop},
            ),
        ),
    }
    if candidates != "all":
        gates[metric_name("two_stage", "recall", candidates)] = tfma.MetricThreshold(
            value_threshold=tfma.GenericValueThreshold(lower_bound={"value": evaluation.min_recall}),
        )
    return gates


def _metric(
    stage: str, metric: str, k: int, key: str, sampled: bool = False, gate: tfma.MetricThreshold | None = None
) -> tfma.MetricConfig:
    name = metric_name(stage, metric, k)
    config = _metric_config(METRICS[metric], name=name, k=k, prediction_key=key, sampled=sampled)
    return config if gate is None else _gated(config, gate)


def _gain(name: str, key: str, over_key: str, sampled: bool = False) -> tfma.MetricConfig:
    return _metric_config(
        "NDCGGainAtK", name=name, k=HEADLINE_K, prediction_key=key, over_key=over_key, sampled=sampled
    )


def _gated(config: tfma.MetricConfig, gate: tfma.MetricThreshold) -> tfma.MetricConfig:
    config.per_slice_thresholds.append(tfma.PerSliceMetricThreshold(slicing_specs=[tfma.SlicingSpec()], threshold=gate))
    return config


def _metric_config(class_name: str, **arguments: object) -> tfma.MetricConfig:
    return tfma.MetricConfig(
        class_name=class_name,
        module="modules.metrics.tfma_metrics",
        config=json.dumps(arguments, sort_keys=True),
    )
