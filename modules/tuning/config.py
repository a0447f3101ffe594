"""Settings of the search for hyper-parameters."""

import contextlib
from typing import Annotated, Any, Literal

import pydantic

from modules.section import Section


class Range(Section):
    """Numbers from `min` to `max`, both included; whole ones where the setting takes no others."""

    min: float
    """The least."""
    max: float
    """The greatest."""
    sampling: Literal["linear", "log"] = "linear"
    """Whether equal differences or equal ratios are equally likely."""
    step: float | None = pydantic.Field(None, gt=0)
    """Distance between two values, with `sampling: log` their ratio; None: any value, of which `grid` takes ten."""

    @pydantic.model_validator(mode="after")
    def _holds_more_than_one_number(self) -> "Range":
        if self.min >= self.max:
            raise ValueError(f"`min` must be below `max`. Received: min={self.min:g}, max={self.max:g}.")
        if self.sampling == "log" and self.min <= 0:
            raise ValueError(f"`min` must be above 0 with `sampling: log`. Received: min={self.min:g}.")
        if self.sampling == "log" and self.step is not None and self.step <= 1:
            raise ValueError(
                f"`step` must be above 1 with `sampling: log`, where it multiplies. Received: step={self.step:g}."
            )
        return self


class Choices(Section):
    """A list of values, of any kind the setting takes."""

    values: list[Any] = pydantic.Field(min_length=1)
    """Each as it would stand in the configuration."""

    @pydantic.field_validator("values")
    @classmethod
    def _numbers_are_numbers(cls, values: list[Any]) -> list[Any]:
        # YAML 1.1 reads 1e-3, which has no dot, as text.
        return [_number(value) if isinstance(value, str) else value for value in values]


def _number(text: str) -> float | str:
    with contextlib.suppress(ValueError):
        return float(text)
    return text


def _kind(entry: Any) -> str:
    return "values" if isinstance(entry, Choices) or (isinstance(entry, dict) and "values" in entry) else "range"


SearchedValues = Annotated[
    Annotated[Range, pydantic.Tag("range")] | Annotated[Choices, pydantic.Tag("values")],
    pydantic.Discriminator(_kind),
]
"""What is tried for one setting."""

Space = dict[str, SearchedValues]
"""Dotted key of `model` or `training` -> what is tried for it."""


class TunerConfig(Section):
    """The search for hyper-parameters before the training; its best point takes the place of what is configured."""

    enabled: bool = False
    """Whether the pipeline searches."""
    algorithm: Literal["random", "bayesian", "hyperband", "grid"] = "random"
    """KerasTuner's: random points, a Gaussian process, successive halving of short trainings, or every combination."""
    max_trials: int | None = pydantic.Field(20, ge=1)
    """The most points tried; None: as many as `grid` or `hyperband` have."""
    epochs: int = pydantic.Field(5, ge=1)
    """The most epochs of a trial, in place of `training.epochs`; `hyperband` trains few points for as many."""
    executions: int = pydantic.Field(1, ge=1)
    """Trainings of a trial, each from a seed of its own, `training.seed` and up; their mean is the trial's score."""
    seed: int = pydantic.Field(17, ge=1)
    """Of the draws of points."""
    space: Space | None = pydantic.Field(None, min_length=1)
    """What is searched; None: those settings of `modules.tuning.space.DEFAULT_SPACE` that the model has."""

    @pydantic.model_validator(mode="after")
    def _ends(self) -> "TunerConfig":
        if self.max_trials is None and self.algorithm in ("random", "bayesian"):
            raise ValueError(
                f"`max_trials` must be a number with `algorithm: {self.algorithm}`, which never ends by itself. "
                "Received: None."
            )
        return self
