"""The trials of a search for hyper-parameters, as TFX's Tuner writes them."""

import json
import os

import tensorflow as tf

from modules.tuning.hyperparameters import OWN_PREFIX, to_point
from tfx_pipeline.report.contents import Trial

_RESULTS_FILE = "tuner_results.json"


def read_trials(uri: str) -> list[Trial]:
    """Returns the trials that did not fail, best first, from the folder of a TunerResults artifact."""
    with tf.io.gfile.GFile(os.path.join(uri, _RESULTS_FILE)) as file:
        rows = json.load(file)
    return [
        Trial(
            point=to_point({key: value for key, value in row.items() if key not in ("trial_id", "score")}),
            score=row["score"],
            epochs=row.get(f"{OWN_PREFIX}epochs"),
        )
        for row in rows
    ]
