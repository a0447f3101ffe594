"""The mean over users of any value a user, with its standard error, as a TFMA metric."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma

from modules.metrics import user_values

STANDARD_ERROR = "standard_error"
"""`<metric>/standard_error`: how far the mean may be off for having been taken over few users."""
USERS = "users"
"""`<metric>/users`: how many users the mean was taken over."""

UserValue = Callable[[Mapping[str, np.ndarray], set[bytes]], float | None]
"""(the model's outputs for a user, the user's targets) -> the value; None leaves the user out."""


def user_mean(name: str, user_value: UserValue, model_names: list[str] | None) -> list[Any]:
    """Returns the TFMA computations of the mean of `user_value` over the users who have targets.

    Args:
      name: the metric's name; the standard error and the number of users are reported beneath it.
      user_value: picklable; called once a user and model, whatever the number of slices.
      model_names: models to compute it for; None or [""] for a single unnamed one.

    Returns:
      One `tfma.metrics.MetricComputation` a model.
    """
    computations = []
    for model_name in model_names or [""]:
        keys = [
            tfma.metrics.MetricKey(key, model_name=model_name)
            for key in (name, f"{name}/{STANDARD_ERROR}", f"{name}/{USERS}")
        ]
        computations.append(
            tfma.metrics.MetricComputation(
                keys=keys,
                preprocessors=[_UserValues(model_name, user_value)],
                combiner=_MeanAndStandardError(*keys),
            )
        )
    return computations


class _UserValues(tfma.metrics.Preprocessor):
    """Turns a user's extracts into the float the combiner needs, before they fan out to slices."""

    def __init__(self, model_name: str, user_value: UserValue) -> None:
        super().__init__()
        self._model_name = model_name
        self._user_value = user_value

    def process(self, extracts: tfma.types.Extracts) -> Iterator[float]:
        inputs = tfma.metrics.StandardMetricInputs(extracts)
        labels = inputs.get_labels(self._model_name)
        targets = set() if labels is None else set(np.ravel(labels)) - {user_values.PADDING}
        if not targets:
            return
        value = self._user_value(inputs.get_predictions(self._model_name), targets)
        if value is not None:
            yield value


class _MeanAndStandardError(beam.CombineFn):
    """Accumulates (count, sum, sum of squares) of values in [-1, 1], so that little cancels."""

    def __init__(
        self,
        mean: tfma.metrics.MetricKey,
        error: tfma.metrics.MetricKey,
        users: tfma.metrics.MetricKey,
    ) -> None:
        self._keys = (mean, error, users)

    def create_accumulator(self) -> tuple[int, float, float]:
        return 0, 0.0, 0.0

    def add_input(self, accumulator: tuple[int, float, float], value: float) -> tuple[int, float, float]:
        count, total, squares = accumulator
        return count + 1, total + value, squares + value * value

    def merge_accumulators(self, accumulators: Iterable[tuple[int, float, float]]) -> tuple[int, float, float]:
        counts, totals, squares = zip(*accumulators, strict=True)
        return sum(counts), sum(totals), sum(squares)

    def extract_output(self, accumulator: tuple[int, float, float]) -> dict[tfma.metrics.MetricKey, float]:
        count, total, squares = accumulator
        # NaN fails every threshold: a model nobody was there to judge is not blessed.
        mean = total / count if count else math.nan
        error = math.nan
        if count > 1:
            variance = max(squares - count * mean * mean, 0.0) / (count - 1)
            error = math.sqrt(variance / count)
        return dict(zip(self._keys, (mean, error, float(count)), strict=True))
