"""How far the newest span of the data may be from the last accepted one, and from what is trained on."""

import pydantic

from modules import names
from modules.data.config import DataConfig
from modules.data.spans.config import SpanNumber
from modules.section import Section


class Distance(Section):
    """The largest distance between two distributions of a feature that is let through, by one of two measures."""

    jensen_shannon: float | None = pydantic.Field(None, gt=0, le=1)
    """Jensen-Shannon divergence to the base of 2, 1 where no value is shared: for features of few values."""
    infinity_norm: float | None = pydantic.Field(None, gt=0, le=1)
    """The largest difference between one value's shares: for features of many values, such as items."""

    @pydantic.model_validator(mode="after")
    def _one_measure(self) -> "Distance":
        if (self.jensen_shannon is None) == (self.infinity_norm is None):
            raise ValueError(
                "A distance must be given as one of `jensen_shannon` and `infinity_norm`. "
                f"Received: jensen_shannon={self.jensen_shannon}, infinity_norm={self.infinity_norm}."
            )
        return self


class DriftConfig(Section):
    """When the newest span stops the run; only where `data.path` holds the placeholders of spans."""

    features: dict[str, Distance | None] = {}
    """Distances from the last accepted span, by feature, in place of the schema's; None leaves a feature out."""
    skew_features: dict[str, Distance | None] = {}
    """Distances from the train split, by feature, in place of the schema's; None leaves a feature out."""
    min_users_ratio: float = pydantic.Field(0.3, ge=0, le=1)
    """The least number of users, for each user of the last accepted span."""
    max_users_ratio: float = pydantic.Field(3.0, ge=1)
    """The largest number of users, for each user of the last accepted span."""
    accept_span: SpanNumber | None = None
    """A span that is let through whatever its distances are; the next one is compared with it."""


def drift_features(data: DataConfig) -> list[str]:
    """Returns the features of the newest split that are compared with those of another span."""
    items = [names.target_feature(name) for name, side in data.item_features.items() if side.kind == "categorical"]
    return [names.USER_ACTIVITY, names.TARGET, names.ITEM_FORMAT, names.USER_FORMAT, *items, *data.user_features]


def skew_features(data: DataConfig) -> list[str]:
    """Returns the features of the newest split that mean the same in the train split."""
    return [names.TARGET, *data.user_features]


def check_drift(drift: DriftConfig, data: DataConfig) -> None:
    """Raises ValueError where a distance is given for a feature that is not compared."""
    for key, given, compared in (
        ("features", drift.features, drift_features(data)),
        ("skew_features", drift.skew_features, skew_features(data)),
    ):
        unknown = sorted(given.keys() - set(compared))
        if unknown:
            raise ValueError(f"`drift.{key}` must name features out of {compared}. Received: {unknown}.")
