"""What there is to tell about a run, as plain values."""

import dataclasses
import datetime
import math
from typing import Any, Literal

from tfx_pipeline.anomalies import Anomaly

StepState = Literal["run", "cached", "failed", "unfinished"]


@dataclasses.dataclass(frozen=True)
class Step:
    """One component of the run."""

    name: str
    state: StepState
    seconds: float
    """How long it took in this run; next to nothing where an earlier run's result was reused."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """A mean over users."""

    value: float
    error: float = math.nan
    """Its standard error; NaN where unknown."""
    users: int = 0
    """How many users it was taken over."""


@dataclasses.dataclass(frozen=True)
class Slice:
    """The metrics of the users who share a value of a feature."""

    feature: str
    value: str
    metrics: dict[str, Metric]


@dataclasses.dataclass(frozen=True)
class Gate:
    """A condition a model had to meet to be blessed."""

    metric: str
    kind: Literal["bound", "change"]
    """Whether the value itself is bounded, or its difference from the last blessed model's."""
    limit: float
    value: float
    """NaN where it could not be measured."""
    passed: bool

    @property
    def text(self) -> str:
        """One sentence: what was asked for and what was found."""
        if math.isnan(self.value):
            return f"{self.metric} could not be measured"
        if self.kind == "bound":
            return f"{self.metric} is {self.value:.4f}; at least {self.limit:.4f} is required"
        change = f"{self.metric} changed by {self.value:+.4f} against the last blessed model"
        return f"{change}; a drop of up to {-self.limit:.4f} is allowed"


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What the Evaluator measured."""

    overall: dict[str, Metric]
    slices: list[Slice]
    changes: dict[str, float]
    """Metric -> its difference from the last blessed model; empty where there was none."""
    gates: list[Gate]


@dataclasses.dataclass(frozen=True)
class Model:
    """One exported model: how it did, and what became of it."""

    name: str
    uri: str
    evaluation: Evaluation
    blessed: bool
    """By the Evaluator."""
    servable: bool | None
    """By the serving check; None where that did not run."""
    refusal: str
    """Of the serving check."""
    pushed_to: str | None

    @property
    def accepted(self) -> bool:
        """Whether nothing stands against serving it."""
        return self.blessed and self.servable is not False

    @property
    def version(self) -> str | None:
        """The version it was pushed as."""
        return self.pushed_to.rstrip("/").rsplit("/", 1)[-1] if self.pushed_to else None

    @property
    def reasons(self) -> list[str]:
        """Why it must not be served; empty where it may."""
        reasons = [gate.text for gate in self.evaluation.gates if not gate.passed]
        if not self.blessed and not reasons:
            reasons.append("the Evaluator did not bless it")
        if self.servable is False:
            reasons.append(f"serving check: {self.refusal}")
        return reasons


@dataclasses.dataclass(frozen=True)
class FeatureStatistics:
    """What one feature of one split looks like."""

    split: str
    name: str
    kind: str
    """"string", "int" or "float"."""
    present: int
    """Examples that have it."""
    missing: int
    values: int
    """Values in all examples together."""
    unique: int | None
    """Different values; None for numbers."""
    summary: str
    """The most frequent values, or the range."""


@dataclasses.dataclass(frozen=True)
class Item:
    """An item as people know it."""

    id: str
    title: str
    hit: bool = False
    """Whether it is among the user's targets."""


@dataclasses.dataclass(frozen=True)
class UserExample:
    """What one test user did, and what the model would have recommended before."""

    user: str
    history: list[Item]
    """The latest items, the last one last."""
    history_length: int
    targets: list[Item]
    recommended: list[Item]


@dataclasses.dataclass(frozen=True)
class Trial:
    """One point of a search for hyper-parameters."""

    point: dict[str, Any]
    """Dotted key of the settings -> value."""
    score: float
    """What it was judged by: two-stage NDCG@10 on validation."""
    epochs: int | None
    """The most it was trained for, where the algorithm decides that; None: as configured."""


@dataclasses.dataclass(frozen=True)
class RunFacts:
    """All there is to tell about one run; whatever the run did not come to is empty."""

    pipeline: str
    run: str
    started: datetime.datetime
    steps: list[Step]
    models: list[Model] = dataclasses.field(default_factory=list)
    trials: list[Trial] = dataclasses.field(default_factory=list)
    """Of the Tuner, best first: the first one's point is what was trained with."""
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    data_report: dict[str, Any] = dataclasses.field(default_factory=dict)
    statistics: list[FeatureStatistics] = dataclasses.field(default_factory=list)
    examples: dict[str, int] = dataclasses.field(default_factory=dict)
    """Split -> number of examples."""
    anomalies: dict[str, list[Anomaly]] = dataclasses.field(default_factory=dict)
    users: list[UserExample] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    """What could not be reported, and why."""

    @property
    def failed(self) -> list[str]:
        """Names of the components that did not end well."""
        return [step.name for step in self.steps if step.state in ("failed", "unfinished")]

    @property
    def seconds(self) -> float:
        """What the components took together."""
        return sum(step.seconds for step in self.steps)

    @property
    def blessed(self) -> bool:
        """Whether the run ended well and every model it evaluated may be served."""
        return bool(self.models) and not self.failed and all(model.accepted for model in self.models)

    @property
    def all_anomalies(self) -> list[Anomaly]:
        """The anomalies of all splits in one list."""
        return [anomaly for of_split in self.anomalies.values() for anomaly in of_split]
