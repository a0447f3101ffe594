"""What the Trainer really trains with: its configuration, and over it the best point of a search."""

import json
import logging
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from modules.training.settings import TrainerSettings
from modules.tuning.hyperparameters import to_point
from modules.tuning.space import settings_at

CONFIGURATION_FILE = "configuration.json"
"""Stands beside the training's history."""


def with_hyperparameters(settings: TrainerSettings, hyperparameters: Mapping[str, Any] | None) -> TrainerSettings:
    """Returns the Trainer's settings with tuned values in their places.

    Args:
      settings: of the Trainer.
      hyperparameters: the configuration of KerasTuner's `HyperParameters`, as TFX's Tuner writes it; None: the settings
        stay as they are.

    Returns:
      The settings, with the point under `tuned`, so that what depends on all settings depends on it.

    Raises:
      pydantic.ValidationError: where a value is not one that its key takes.
    """
    if hyperparameters is None:
        return settings
    point = to_point(hyperparameters["values"])
    model, training = settings_at(point, settings.model, settings.training)
    for key, value in point.items():
        logging.info("Tuned: %s = %s.", key, value)
    return settings.model_copy(update={"model": model, "training": training, "tuned": point})


def write_configuration(settings: TrainerSettings, folder: str) -> None:
    """Writes `model` and `training` as they were trained with, and the `tuned` ones by their keys, into a folder."""
    sections = settings.model_dump(mode="json", include={"model", "training", "tuned"})
    with tf.io.gfile.GFile(os.path.join(folder, CONFIGURATION_FILE), "w") as file:
        file.write(json.dumps(sections, indent=1))
