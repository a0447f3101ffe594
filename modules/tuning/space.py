"""Which settings can be searched, and with which values."""

import difflib
import typing
from collections.abc import Mapping
from typing import Any, Literal

import pydantic
from pydantic.fields import FieldInfo

from modules.models.build import check_parts
from modules.models.choices import CHOICES
from modules.models.config import ModelConfig
from modules.section import describe_errors
from modules.training.config import TrainingConfig
from modules.tuning.config import Choices, Range, SearchedValues, Space, TunerConfig
from modules.tuning.overrides import override

DEFAULT_SPACE: Space = {
    "training.retriever_learning_rate": Range(min=3e-4, max=1e-2, sampling="log"),
    "training.ranker_learning_rate": Range(min=3e-4, max=1e-2, sampling="log"),
    "model.embedding_dim": Choices(values=[32, 64, 128]),
    "model.num_negatives": Choices(values=[10, 20, 50]),
    "model.sampler.temperature": Range(min=0.3, max=3, sampling="log"),
    "model.algorithm.kl_weight": Range(min=0.1, max=3, sampling="log"),
    "model.algorithm.mse_weight": Range(min=0.1, max=1),
    "model.retriever.units": Choices(values=[32, 64, 128]),
    "model.retriever.hidden_units": Choices(values=[[32], [64], [128]]),
    "model.ranker.hidden_units": Choices(values=[[32, 16], [64, 32], [128, 64]]),
}
"""Step sizes, widths, the number and the hardness of negatives, and how much the ranker teaches the retriever."""

NOT_SEARCHED: Mapping[str, str] = {
    "training.epochs": "`tuner.epochs` sets those of a trial",
    "training.seed": "a seed is no better than another; `tuner.executions` takes the mean over several",
    "training.warm_start": "trials begin anew, to be told apart by their settings alone",
    "training.distribution": "it changes how a training is computed, not what it learns",
    "model.candidates": "the metric depends on it, and so do the pipeline's gates",
}
"""Keys that exist and cannot be searched, and why."""


def searchable_settings(model: ModelConfig) -> dict[str, list[FieldInfo]]:
    """Returns dotted key -> the fields it sets: of more than one component where it has a star."""
    fields = {f"training.{name}": [field] for name, field in TrainingConfig.model_fields.items()}
    fields |= {f"model.{name}": [field] for name, field in ModelConfig.model_fields.items()}
    shared: dict[str, list[FieldInfo]] = {}
    for part, registry in CHOICES.items():
        for name, field in registry[getattr(model, part).name].Options.model_fields.items():
            fields[f"model.{part}.{name}"] = [field]
            shared.setdefault(f"model.*.{name}", []).append(field)
    return {key: field for key, field in (fields | shared).items() if key not in NOT_SEARCHED}


def space_of(tuner: TunerConfig, model: ModelConfig) -> Space:
    """Returns what is searched: the configured space, or what the model has of the default one."""
    if tuner.space is not None:
        return tuner.space
    known = searchable_settings(model)
    return {key: values for key, values in DEFAULT_SPACE.items() if key in known}


def takes_whole_numbers_only(fields: list[FieldInfo]) -> bool:
    """Returns whether all fields are integers, rather than any number."""
    return all(_has_type(field.annotation, int) and not _has_type(field.annotation, float) for field in fields)


def check_space(
    tuner: TunerConfig, model: ModelConfig, training: TrainingConfig, task: Literal["sequential", "general"]
) -> None:
    """Tries every listed value, and ends and middle of every range, on the settings they are meant for.

    Raises:
      ValueError: naming the first key that does not exist or does not take a value, with the value.
    """
    known = searchable_settings(model)
    for key, searched in space_of(tuner, model).items():
        if key not in known:
            raise ValueError(_unknown(key, list(known)))
        whole = isinstance(searched, Range) and takes_whole_numbers_only(known[key])
        if whole and searched.step is not None and searched.step % 1:
            raise ValueError(
                f"`tuner.space`: `step` of `{key}` must be a whole number, as its values are. "
                f"Received: step={searched.step:g}."
            )
        for value in _tried(searched, whole):
            try:
                settings = settings_at({key: value}, model, training)
                check_parts(settings[0], task)
            except pydantic.ValidationError as error:
                raise ValueError(
                    f"`tuner.space`: `{key}` must be searched among values it takes, not {value!r}: "
                    f"{describe_errors(error)}"
                ) from error
            except ValueError as error:
                raise ValueError(f"`tuner.space`: `{key}`: {error}") from error


def settings_at(
    point: Mapping[str, Any], model: ModelConfig, training: TrainingConfig
) -> tuple[ModelConfig, TrainingConfig]:
    """Returns the settings with those of a point, dotted key -> value, in place of theirs.

    Raises:
      pydantic.ValidationError: where a value is not one that its key takes.
    """
    values = override({"model": model.model_dump(), "training": training.model_dump()}, sorted(point.items()))
    return ModelConfig(**values["model"]), TrainingConfig(**values["training"])


def _tried(searched: SearchedValues, whole: bool) -> list[Any]:
    if isinstance(searched, Choices):
        return searched.values
    # What lies between tells a switch, which takes 0 and 1, from a number.
    between = [] if whole else [(searched.min + searched.max) / 2]
    return [searched.min, searched.max, *between]


def _unknown(key: str, known: list[str]) -> str:
    if key in NOT_SEARCHED:
        return f"`tuner.space` must leave out `{key}`: {NOT_SEARCHED[key]}. Received: {key!r}."
    closest = difflib.get_close_matches(key, known, n=1, cutoff=0)
    return (
        "`tuner.space` must name settings of `model` or `training` that this model has. "
        f"Received: {key!r}; the closest is {closest[0]!r}."
    )


def _has_type(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_has_type(part, wanted) for part in typing.get_args(annotation))
