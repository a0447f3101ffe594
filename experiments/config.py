"""A table of experiments: data sets, methods, seeds, and the search every method is given."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pydantic
import yaml

from modules.data.config import DataConfig
from modules.models.config import ModelConfig
from modules.section import Section, describe_errors
from modules.training.config import TrainingConfig
from modules.tuning.overrides import merge, override
from tfx_pipeline.config import ConfigError

Point = tuple[tuple[str, Any], ...]
"""A point of a search: (dotted key of the settings, value) pairs, ordered by key."""


class Cell(NamedTuple):
    """One training: a method with one point of the search, on a data set, from a seed."""

    dataset: str
    method: str
    point: Point
    seed: int
    epochs: int | None = None
    """In place of the settings'; the search's short trainings."""


class Search(Section):
    """What every method is given alike: points of overrides, judged on validation from the first seed."""

    points: list[dict[str, Any]] = pydantic.Field([{}], min_length=1)
    """Each a dotted key of the settings -> value; `model.*.dropout` is that option of every component that has it."""
    epochs: int | None = pydantic.Field(None, ge=1)
    """Of a training that is only to choose a point; None: as many as the table's, which then count as results."""


class Method(Section):
    """What distinguishes a method: its overrides of the table's model and training settings."""

    label: str
    """Name in the printed table."""
    model: dict[str, Any] = {}
    training: dict[str, Any] = {}
    search: Search | None = None
    """In place of the data set's."""
    baseline: bool = False
    """One stage alone: its plot has no curve of a retriever beside it."""


class Dataset(Section):
    """A data set and the methods that run on it."""

    label: str
    data: DataConfig
    methods: dict[str, Method]
    training: dict[str, Any] = {}
    """Settings all methods share on this data set; they go before the table's."""
    search: Search | None = None
    """In place of the table's."""


class Table(Section):
    """Everything one command runs."""

    title: str
    datasets: dict[str, Dataset]
    model: dict[str, Any] = {}
    """Settings all methods share."""
    training: dict[str, Any] = {}
    """Settings all methods share."""
    search: Search = Search()
    """How each method's settings are chosen."""
    compared: str | None = None
    """The method whose per-user NDCG the report tests against every other's."""
    seeds: list[int] = pydantic.Field([1, 2, 3], min_length=1)

    @pydantic.model_validator(mode="after")
    def _compared_method_is_in_the_table(self) -> "Table":
        for name, dataset in self.datasets.items():
            if self.compared is not None and self.compared not in dataset.methods:
                raise ValueError(
                    f"`compared` must be one of the methods of `{name}`: {sorted(dataset.methods)}. "
                    f"Received: {self.compared!r}."
                )
        return self

    def search_cells(self, dataset: str, method: str) -> list[Cell]:
        """Returns the cells that choose a method's point: one alone where there is nothing to choose."""
        methods, shared = self.datasets[dataset].methods, self.datasets[dataset].search
        search = methods[method].search or shared or self.search
        epochs = search.epochs if len(search.points) > 1 else None
        points = (tuple(sorted(point.items())) for point in search.points)
        return [Cell(dataset, method, point, self.seeds[0], epochs) for point in points]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Returns every (data set, method)."""
        for name, dataset in self.datasets.items():
            for method in dataset.methods:
                yield name, method

    def quick(self) -> "Table":
        """Returns the smoke run: one epoch, one seed, no search."""
        datasets = {
            name: dataset.model_copy(
                update={
                    "training": {**dataset.training, "epochs": 1},
                    "search": Search(),
                    "methods": {
                        key: method.model_copy(update={"search": None}) for key, method in dataset.methods.items()
                    },
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
        values = override(values, cell.point)
        if cell.epochs is not None:
            values["training"]["epochs"] = cell.epochs
        return ModelConfig(**values["model"]), TrainingConfig(**values["training"])


def load_table(path: str | Path) -> Table:
    """Reads and validates a table.

    Raises:
      ConfigError: naming the file, each wrong key, its value and what was expected.
    """
    try:
        return Table(**yaml.safe_load(Path(path).read_text()))
    except pydantic.ValidationError as error:
        raise ConfigError(f"The table {path} is not valid:\n{describe_errors(error)}") from error
