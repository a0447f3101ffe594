"""KerasTuner's algorithms, which propose the points of a search."""

import itertools
import sys
from typing import Any

import keras_tuner
from keras_tuner import oracles

from modules.training.progress import MONITOR
from modules.tuning.config import TunerConfig


class GridOracle(keras_tuner.Oracle):
    """Proposes every combination of the space's values, the last key's changing fastest.

    KerasTuner's own oracle of this kind takes the combinations in an order that depends on which trials have ended.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """See base class."""
        space = self.hyperparameters.space
        combinations = itertools.product(*(_values(hyperparameter) for hyperparameter in space))
        combination = next(itertools.islice(combinations, len(self.start_order), None), None)
        if combination is None:
            return {"status": "STOPPED", "values": None}
        names = [hyperparameter.name for hyperparameter in space]
        return {"status": "RUNNING", "values": dict(zip(names, combination, strict=True))}


def create_oracle(tuner: TunerConfig, hyperparameters: keras_tuner.HyperParameters) -> keras_tuner.Oracle:
    """Returns the oracle of the configured algorithm; equal arguments and scores give equal points."""
    common = {
        "objective": keras_tuner.Objective(MONITOR, "max"),
        "hyperparameters": hyperparameters,
        "seed": tuner.seed,
        "allow_new_entries": False,
        "tune_new_entries": False,
        # Several step sizes in a row may be too great; that all trials fail is told at the end.
        "max_consecutive_failed_trials": sys.maxsize,
    }
    if tuner.algorithm == "hyperband":
        oracle = oracles.HyperbandOracle(max_epochs=tuner.epochs, **common)
        oracle.max_trials = tuner.max_trials
    elif tuner.algorithm == "grid":
        oracle = GridOracle(max_trials=tuner.max_trials, **common)
    elif tuner.algorithm == "bayesian":
        # The default, three times the number of keys, may be more trials than there are.
        oracle = oracles.BayesianOptimizationOracle(
            max_trials=tuner.max_trials, num_initial_points=max(2, tuner.max_trials // 3), **common
        )
    else:
        oracle = oracles.RandomSearchOracle(max_trials=tuner.max_trials, **common)
    oracle.verbose = 0
    return oracle


def _values(hyperparameter: Any) -> list[Any]:
    values = list(hyperparameter.values)
    # Of a range they come in no order; listed values stand in the order they were given in.
    return sorted(values) if hasattr(hyperparameter, "sampling") else values
