"""Between this project's settings and KerasTuner's hyper-parameters."""

import json
from collections.abc import Mapping
from typing import Any

import keras_tuner

from modules.models.config import ModelConfig
from modules.tuning.config import Choices, Range, Space
from modules.tuning.space import searchable_settings, takes_whole_numbers_only

OWN_PREFIX = "tuner/"
"""Of the values that KerasTuner's Hyperband keeps for itself among the hyper-parameters."""


def to_hyperparameters(space: Space, model: ModelConfig) -> keras_tuner.HyperParameters:
    """Returns KerasTuner's form of a space; a hyper-parameter's name is the dotted key."""
    fields = searchable_settings(model)
    hyperparameters = keras_tuner.HyperParameters()
    for key, searched in space.items():
        if isinstance(searched, Choices):
            hyperparameters.Choice(key, _as_choices(searched.values))
        else:
            _add_range(hyperparameters, key, searched, takes_whole_numbers_only(fields[key]))
    return hyperparameters


def to_point(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns dotted key -> value of the settings, from the values of KerasTuner's hyper-parameters."""
    return {
        key: json.loads(value) if isinstance(value, str) else value
        for key, value in values.items()
        if not key.startswith(OWN_PREFIX)
    }


def _add_range(hyperparameters: keras_tuner.HyperParameters, key: str, searched: Range, whole: bool) -> None:
    if whole:
        step = None if searched.step is None else int(searched.step)
        hyperparameters.Int(key, int(searched.min), int(searched.max), step, searched.sampling)
    else:
        hyperparameters.Float(key, searched.min, searched.max, searched.step, searched.sampling)


def _as_choices(values: list[Any]) -> list[float] | list[int] | list[str]:
    """KerasTuner takes values of one simple type: numbers stay what they are, all else becomes JSON text."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values if all(isinstance(value, int) for value in values) else [float(value) for value in values]
    return [json.dumps(value) for value in values]
