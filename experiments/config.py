"""A table of experiments: data sets, methods, seeds, and the search every method is given."""

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pydantic
import yaml

from modules.config import DataConfig, ModelConfig, Section, TrainingConfig, describe_errors
from tfx_pipeline.config import ConfigError


class Cell(NamedTuple):
    """One training: a method with one point of the search, on a data set, from a seed."""

    dataset: str
    method: str
    point: tuple[tuple[str, Any], ...]
    seed: int

    @property
    def slug(self) -> str:
        """A name for the cell, fit for a file's."""
        point = "-".join(f"{key}={value}" for key, value in self.point)
        return re.sub(r"[^\w=.+-]", "_", f"{self.dataset}-{self.method}-{point}-seed={self.seed}")


class Method(Section):
    """What distinguishes a method: its overrides of the table's model and training settings."""

    label: str
    """Name in the printed table."""
    model: dict[str, Any] = {}
    training: dict[str, Any] = {}
    baseline: bool = False
    """Whether the table compares the others against this one."""


class Dataset(Section):
    """A data set and the methods that run on it."""

    label: str
    data: DataConfig
    methods: dict[str, Method]
    training: dict[str, Any] = {}
    """Settings all methods share on this data set; they go before the table's."""
    search: dict[str, list[Any]] | None = None
    """In place of the table's search; {} is none."""


class Table(Section):
    """Everything one command runs."""

    title: str
    datasets: dict[str, Dataset]
    model: dict[str, Any] = {}
    """Settings all methods share."""
    training: dict[str, Any] = {}
    """Settings all methods share."""
    search: dict[str, list[Any]] = {}
    """Dotted key of the settings -> values tried; every method gets the same grid, judged on validation, first seed."""
    seeds: list[int] = [1, 2, 3]

    def points(self, dataset: str) -> list[tuple[tuple[str, Any], ...]]:
        """Returns the points of the search's grid on a data set."""
        own = self.datasets[dataset].search
        search = self.search if own is None else own
        keys = sorted(search)
        grid = itertools.product(*(search[key] for key in keys))
        return [tuple(zip(keys, values, strict=True)) for values in grid]

    def search_cells(self) -> Iterator[Cell]:
        """Returns the cells that choose each method's point."""
        for dataset, method in self.pairs():
            for point in self.points(dataset):
                yield Cell(dataset, method, point, self.seeds[0])

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Returns every (data set, method)."""
        for name, dataset in self.datasets.items():
            for method in dataset.methods:
                yield name, method

    def quick(self) -> "Table":
        """Returns the smoke run: one epoch, one seed, one point of the search."""
        datasets = {
            name: dataset.model_copy(
                update={
                    "training": {**dataset.training, "epochs": 1},
                    "search": {key: [value] for key, value in self.points(name)[0]},
                }
            )
            for name, dataset in self.datasets.items()
        }
        return self.model_copy(update={"seeds": self.seeds[:1], "datasets": datasets})

    def settings(self, cell: Cell) -> tuple[ModelConfig, TrainingConfig]:
        """Returns the validated settings of a cell."""
        dataset = self.datasets[cell.dataset]
        method = dataset.methods[cell.method]
        values = {
            "model": merge(self.model, method.model),
            "training": merge(self.training, dataset.training, method.training, {"seed": cell.seed}),
        }
        for key, value in cell.point:
            values = merge(values, _nest(key, value, values))
        return ModelConfig(**values["model"]), TrainingConfig(**values["training"])


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the layers merged key by key, later ones winning; a component of another name replaces the whole."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = merged.get(key)
            both = isinstance(old, Mapping) and isinstance(value, Mapping)
            same = both and value.get("name", old.get("name")) == old.get("name")
            merged[key] = merge(old, value) if same else value
    return merged


def _nest(key: str, value: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Turns `model.*.dropout` into overrides of every component of the model that is configured with such an option."""
    section, *rest = key.split(".")
    if rest[0] == "*":
        option = rest[1]
        return {
            section: {
                name: {"name": component["name"], option: value}
                for name, component in settings[section].items()
                if isinstance(component, Mapping) and option in component
            }
        }
    nested: Any = value
    for part in reversed(rest):
        nested = {part: nested}
    return {section: nested}


def load_table(path: str | Path) -> Table:
    """Reads and validates a table.

    Raises:
      ConfigError: naming the file, each wrong key, its value and what was expected.
    """
    try:
        return Table(**yaml.safe_load(Path(path).read_text()))
    except pydantic.ValidationError as error:
        raise ConfigError(f"The table {path} is not valid:\n{describe_errors(error)}") from error
