"""TFMA metrics of the ranked lists an `evaluate` signature answers with.

The label is a user's target items, the predictions are lists of item ids, best first, in which ""
is padding. Name a class in a `tfma.MetricConfig` with `module="modules.metrics.tfma_metrics"` and
its arguments as JSON in `config`.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_model_analysis as tfma

from modules.metrics import user_values
from modules.metrics.user_mean import user_mean

ListValue = Callable[[Sequence[int], int, int], float]
"""(ranks of the hits, number of targets, k) -> the metric of one list."""


class _MetricAtK(tfma.metrics.Metric):
    """The mean over users of a metric of one list; a subclass names the metric.

    Args:
      k: the cutoff.
      prediction_key: the output of the model that holds the lists, [batch, K] item ids.
      sampled: whether an empty list means that the user was not drawn into the sample (and is left
        out) rather than that the model had no answer (and scored 0).
      name: of the metric in the results.

    Raises:
      ValueError: `k` is not positive.
    """

    metric: str
    list_value: ListValue

    def __init__(
        self,
        k: int = 10,
        prediction_key: str = "ranked",
        sampled: bool = False,
        name: str | None = None,
    ) -> None:
        if k < 1:
            raise ValueError(f"`k` must be a positive integer. Received: k={k}.")
        super().__init__(
            self._computations,
            k=k,
            prediction_key=prediction_key,
            sampled=sampled,
            name=name or f"{prediction_key}/{self.metric}@{k}",
        )

    def _computations(
        self,
        name: str,
        k: int,
        prediction_key: str,
        sampled: bool,
        model_names: list[str] | None = None,
    ) -> list[Any]:
        value = functools.partial(
            _value_of_list,
            list_value=type(self).list_value,
            k=k,
            key=prediction_key,
            sampled=sampled,
        )
        return user_mean(name, value, model_names)


class RecallAtK(_MetricAtK):
    """Share of a user's targets within the first k items, averaged over users."""

    metric = "recall"
    list_value = staticmethod(user_values.recall)


class NDCGAtK(_MetricAtK):
    """Discounted gain within k over that of the ideal list cut at k, averaged over users."""

    metric = "ndcg"
    list_value = staticmethod(user_values.ndcg)


class MRRAtK(_MetricAtK):
    """1 / rank of the first hit within k, averaged over users."""

    metric = "mrr"
    list_value = staticmethod(user_values.mrr)


class NDCGGainAtK(tfma.metrics.Metric):
    """NDCG@k of one kind of lists minus that of another, over the same users.

    Args:
      k: the cutoff.
      prediction_key: the output that holds the lists.
      over_key: the output that holds the lists they are compared with.
      sampled: as of the other metrics, for the lists of `prediction_key`.
      name: of the metric in the results.

    Raises:
      ValueError: `k` is not positive.
    """

    def __init__(
        self,
        k: int = 10,
        prediction_key: str = "ranked",
        over_key: str = "retrieved",
        sampled: bool = False,
        name: str | None = None,
    ) -> None:
        if k < 1:
            raise ValueError(f"`k` must be a positive integer. Received: k={k}.")
        super().__init__(
            _gain_computations,
            k=k,
            prediction_key=prediction_key,
            over_key=over_key,
            sampled=sampled,
            name=name or f"{prediction_key}/gain_over_{over_key}_ndcg@{k}",
        )


def _gain_computations(
    name: str,
    k: int,
    prediction_key: str,
    over_key: str,
    sampled: bool,
    model_names: list[str] | None = None,
) -> list[Any]:
    ndcg = functools.partial(_value_of_list, list_value=user_values.ndcg, k=k)
    value = functools.partial(
        _difference,
        minuend=functools.partial(ndcg, key=prediction_key, sampled=sampled),
        subtrahend=functools.partial(ndcg, key=over_key, sampled=False),
    )
    return user_mean(name, value, model_names)


def _value_of_list(
    predictions: Mapping[str, np.ndarray],
    targets: set[bytes],
    *,
    list_value: ListValue,
    k: int,
    key: str,
    sampled: bool,
) -> float | None:
    if key not in predictions:
        raise ValueError(
            f"`prediction_key` must be an output of the model, one of {sorted(predictions)}. Received: {key!r}."
        )
    ranked = np.ravel(predictions[key])
    if sampled and not any(item != user_values.PADDING for item in ranked):
        return None
    return list_value(user_values.hit_ranks(ranked[:k], targets), len(targets), k)


def _difference(
    predictions: Mapping[str, np.ndarray],
    targets: set[bytes],
    *,
    minuend: Callable[..., float | None],
    subtrahend: Callable[..., float | None],
) -> float | None:
    value = minuend(predictions, targets)
    return None if value is None else value - subtrahend(predictions, targets)
