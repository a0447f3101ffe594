"""The configuration of a whole pipeline, read from one YAML file."""

import os
from pathlib import Path
from typing import Literal

import pydantic
import yaml

from modules.data.config import DataConfig
from modules.export.config import ServingConfig
from modules.metrics.config import EvaluationConfig
from modules.models.config import ModelConfig
from modules.section import Section, describe_errors
from modules.training.config import TrainingConfig
from modules.tuning.config import TunerConfig
from tfx_pipeline.beam.config import BeamConfig
from tfx_pipeline.kubeflow_config import IMAGE_PATTERN, KubeflowConfig
from tfx_pipeline.spans.config import DriftConfig, check_drift

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "movielens.yaml"

InfraValidatorPlatform = Literal["auto", "off", "docker", "kubernetes"]
"""`auto` takes Kubernetes in a pod of Kubeflow Pipelines, else Docker where a daemon answers, else none. In a pipeline
that is compiled for Kubeflow it is `off`."""


class DeploymentConfig(Section):
    """How exports are tried, and what serves them."""

    infra_validator: InfraValidatorPlatform = "auto"
    """Where TFX's InfraValidator starts a real model server on each export before it is pushed."""
    image: str = pydantic.Field("tensorflow/serving:2.16.1", pattern=IMAGE_PATTERN)
    """The model server of the portable export, `repository:tag` or `repository@digest`."""
    scann_image: str | None = pydantic.Field(None, pattern=IMAGE_PATTERN)
    """A model server that links ScaNN's operations; without one the InfraValidator leaves the ScaNN export out."""
    warmup_users: int = pydantic.Field(32, ge=0)
    """Users whose ids and histories go into pushed versions as warm-up requests; 0 keeps personal data out of them."""


class BatchRecommendationsConfig(Section):
    """Every user's recommendations, written out after a model was blessed."""

    enabled: bool = False
    """Whether the pipeline ends with them."""
    top_k: int | None = pydantic.Field(None, ge=1)
    """Items a user gets, at most `serving.top_k`; None takes that many."""
    shards: int = pydantic.Field(0, ge=0)
    """Files they are spread over; 0 leaves it to Beam."""


class PipelineConfig(Section):
    """Everything a run needs to know.

    Relative paths are taken from the folder the run is started in.
    """

    name: str = pydantic.Field("corr", pattern=r"^[a-z][a-z0-9_]*$")
    """Name of the pipeline, and of the served model; the ScaNN export is `<name>_scann`."""
    root: str = "var"
    """Folder of everything a run writes: artifacts, metadata, checkpoints, report, pushed models."""
    serving_directory: str | None = None
    """Folder or bucket URI below which models are pushed, `<name>/<version>`; None is `serving_model` below `root`."""
    schema_path: str = str(Path(__file__).parents[1] / "schemas" / "generic" / "schema.pbtxt")
    """The curated schema, a TFDV text proto."""
    data: DataConfig = DataConfig()
    drift: DriftConfig = DriftConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    serving: ServingConfig = ServingConfig()
    beam: BeamConfig = BeamConfig()
    deployment: DeploymentConfig = DeploymentConfig()
    batch_recommendations: BatchRecommendationsConfig = BatchRecommendationsConfig()
    tuner: TunerConfig = TunerConfig()
    kubeflow: KubeflowConfig | None = None
    """How it runs on Kubeflow Pipelines; needed there alone."""
    enable_cache: bool = True
    """Whether components whose inputs have not changed are served from the last run."""

    @pydantic.model_validator(mode="after")
    def _stages_fit_the_task(self) -> "PipelineConfig":
        from modules.models.build import check_parts

        check_parts(self.model, self.data.task)
        return self

    @pydantic.model_validator(mode="after")
    def _tables_in_shards_are_read_by_rows(self) -> "PipelineConfig":
        from modules.models.build import check_shards

        if self.training.distribution.strategy == "parameter_server":
            check_shards(self.model)
        return self

    @pydantic.model_validator(mode="after")
    def _drift_is_of_features_that_are_compared(self) -> "PipelineConfig":
        check_drift(self.drift, self.data)
        return self

    @pydantic.model_validator(mode="after")
    def _lists_and_rules_are_no_features(self) -> "PipelineConfig":
        named = self.serving.lists.keys() | self.serving.rules.keys()
        if taken := sorted(named & self.data.item_features.keys()):
            raise ValueError(
                f"`serving.lists` and `serving.rules` must not have names of `data.item_features`. Received: {taken}."
            )
        return self

    @pydantic.model_validator(mode="after")
    def _tuner_searches_settings_there_are(self) -> "PipelineConfig":
        from modules.tuning.space import check_space

        if self.tuner.enabled or self.tuner.space is not None:
            check_space(self.tuner, self.model, self.training, self.data.task)
        return self

    @pydantic.model_validator(mode="after")
    def _nothing_is_asked_of_a_first_stage_that_hands_on_everything(self) -> "PipelineConfig":
        if self.model.candidates != "all":
            return self
        if self.serving.scann:
            raise ValueError(
                "`serving.scann` must be false where `model.candidates` is 'all': an index has nothing to search for. "
                "Received: scann=True."
            )
        if self.evaluation.min_recall > 0:
            raise ValueError(
                "`evaluation.min_recall` must be 0 where `model.candidates` is 'all': the first stage's recall is not "
                f"measured. Received: min_recall={self.evaluation.min_recall}."
            )
        return self

    @pydantic.model_validator(mode="after")
    def _no_more_is_written_than_the_model_answers(self) -> "PipelineConfig":
        top_k = self.batch_recommendations.top_k
        if top_k is not None and top_k > self.serving.top_k:
            raise ValueError(
                "`batch_recommendations.top_k` must be at most `serving.top_k`, "
                f"{self.serving.top_k}: the exported model answers with no more. Received: top_k={top_k}."
            )
        return self

    @pydantic.model_validator(mode="after")
    def _dataflow_reaches_what_is_written(self) -> "PipelineConfig":
        roots = {"root": self.root, "kubeflow.root": self.kubeflow and self.kubeflow.root}
        if self.beam.runner == "dataflow" and not any(str(root).startswith("gs://") for root in roots.values()):
            raise ValueError(
                "`kubeflow.root` must be a gs:// URI where `beam.runner` is 'dataflow': its workers see no volume. "
                f"Received: {roots}."
            )
        return self

    @property
    def scann_name(self) -> str:
        """Name of the export around a ScaNN index."""
        return f"{self.name}_scann"

    @property
    def pipeline_root(self) -> str:
        """Folder of the artifacts."""
        return os.path.join(_absolute(self.root), "pipelines", self.name)

    @property
    def metadata_path(self) -> str:
        """File of the metadata store."""
        return os.path.join(_absolute(self.root), "metadata", self.name, "metadata.db")

    @property
    def serving_model_dir(self) -> str:
        """Folder the models are pushed to, `<name>/<version>` each."""
        return _absolute(self.serving_directory or os.path.join(self.root, "serving_model"))

    @property
    def data_dir(self) -> str:
        """Folder for data a source writes out by itself."""
        return os.path.join(_absolute(self.root), "data")

    @property
    def checkpoint_dir(self) -> str:
        """Folder under which unfinished trainings keep their checkpoints."""
        return os.path.join(_absolute(self.root), "checkpoints", self.name)

    @property
    def log_dir(self) -> str:
        """Folder of the tracebacks of failed runs."""
        return os.path.join(_absolute(self.root), "logs", self.name)

    @property
    def report_path(self) -> str:
        """File of the HTML report."""
        return os.path.join(_absolute(self.root), "report", f"{self.name}.html")


def _absolute(path: str) -> str:
    """Returns the path from the root of the file system; the URI of a bucket is one already."""
    return path if "://" in path else os.path.abspath(path)


class ConfigError(ValueError):
    """A configuration that cannot be run, with one line a wrong key."""


def load_config(
    path: str | os.PathLike,
    data_path: str | None = None,
    span: str | None = None,
    accept_drift: str | None = None,
) -> PipelineConfig:
    """Reads and validates a pipeline's configuration.

    Args:
      path: the YAML file.
      data_path: takes the place of `data.path`.
      span: takes the place of `data.spans.span`, a number or a date.
      accept_drift: takes the place of `drift.accept_span`, a number or a date.

    Raises:
      ConfigError: naming the file, each wrong key, its value and what was expected.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"The configuration {path} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"The configuration {path} must hold keys and values. Received: {values!r}.")
    if data_path:
        values["data"] = {**(values.get("data") or {}), "path": data_path}
    if span:
        data = values.get("data") or {}
        values["data"] = {**data, "spans": {**(data.get("spans") or {}), "span": span}}
    if accept_drift:
        values["drift"] = {**(values.get("drift") or {}), "accept_span": accept_drift}
    try:
        return PipelineConfig(**values)
    except pydantic.ValidationError as error:
        raise ConfigError(f"The configuration {path} is not valid:\n{describe_errors(error)}") from error


def config_from_environment() -> PipelineConfig:
    """Returns the configuration named by PIPELINE_CONFIG (default: MovieLens).

    PIPELINE_DATA takes the place of its `data.path`, PIPELINE_SPAN of `data.spans.span`, and PIPELINE_ACCEPT_DRIFT of
    `drift.accept_span`. The TFX command line starts the runner file without arguments, so that what it reads must come
    this way.
    """
    path = os.environ.get("PIPELINE_CONFIG") or DEFAULT_CONFIG
    data, span, accept_drift = (os.environ.get(f"PIPELINE_{name}") for name in ("DATA", "SPAN", "ACCEPT_DRIFT"))
    return load_config(path, data, span, accept_drift)
