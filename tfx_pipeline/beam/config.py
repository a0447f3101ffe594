"""How the Beam components run: the section `beam` of a pipeline's configuration."""

import difflib
from typing import Literal

import pydantic

from modules.section import Section
from tfx_pipeline.beam.engines import (
    ENGINES,
    DaskEngine,
    DataflowEngine,
    DirectEngine,
    Engine,
    FlinkEngine,
    PortableEngine,
    SparkEngine,
)
from tfx_pipeline.beam.raw_flags import check_raw_flags

Runner = Literal["direct", "flink", "spark", "dataflow", "dask", "portable"]
"""`portable` is any engine behind a Beam job server."""

_COMMON_FLAGS = {
    "pickle_library": "--pickle_library",
    "sdk_container_image": "--sdk_container_image",
    "setup_file": "--setup_file",
}
# Beam's name of the same option, from before.
_OLD_IMAGE_FLAG = "--worker_harness_container_image"
_ON_THIS_MACHINE = ("direct", "dask")


class BeamConfig(Section):
    """The engine of ExampleGen, StatisticsGen, Transform, Evaluator and the batch recommendations alike."""

    runner: Runner = "direct"
    """The engine; what it needs stands in the section of the same name."""
    workers: int | None = pydantic.Field(None, ge=0)
    """How many workers. Direct: threads or processes, 0 one a core, None one. Flink: parallelism. Spark and portable:
    Python processes a node. Dataflow: workers to start with. None leaves it to the engine."""
    pickle_library: Literal["cloudpickle", "dill"] = "cloudpickle"
    """How functions travel to the workers. dill, Beam's default, resets every logger for each object: a fifth of
    Transform's time."""
    sdk_container_image: str | None = pydantic.Field(None, min_length=1)
    """The pipeline's image with Beam's `boot` in it, for workers in containers."""
    setup_file: str | None = pydantic.Field(None, pattern=r"(^|/)setup\.py$")
    """This project's `setup.py`, where workers have no image that holds its packages."""
    extra_packages: list[str] = []
    """Source archives or wheels that every worker installs when it starts."""
    direct: DirectEngine | None = None
    flink: FlinkEngine | None = None
    spark: SparkEngine | None = None
    dataflow: DataflowEngine | None = None
    dask: DaskEngine | None = None
    portable: PortableEngine | None = None
    options: list[str] = []
    """Further pipeline options of Beam, as it spells them: `--experiments=...`."""

    @pydantic.field_validator("runner", mode="before")
    @classmethod
    def _runner_is_known(cls, runner: object) -> object:
        if isinstance(runner, str) and runner in ENGINES:
            return runner
        # Beam's own names end in Runner.
        name = str(runner).lower().removesuffix("runner")
        close = difflib.get_close_matches(name, ENGINES, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"`runner` must be one of {list(ENGINES)}{hint}. Received: {runner!r}.")

    @pydantic.model_validator(mode="after")
    def _sections_are_of_the_runner(self) -> "BeamConfig":
        for name in ENGINES:
            given = getattr(self, name) is not None
            if given and name != self.runner:
                raise ValueError(
                    f"`{name}` must be left out where `runner` is {self.runner!r}. Received: a section `{name}`."
                )
            if not given and name == self.runner != "direct":
                required = [key for key, field in ENGINES[name].model_fields.items() if field.is_required()]
                raise ValueError(
                    f"`{name}` must be given where `runner` is {name!r}, with at least {required}. Received: none."
                )
        return self

    @pydantic.model_validator(mode="after")
    def _workers_fit_the_runner(self) -> "BeamConfig":
        engine = self.engine
        if isinstance(engine, DirectEngine) and engine.mode == "in_memory" and self.workers not in (None, 1):
            raise ValueError(
                "`workers` must be 1 where `direct.mode` is 'in_memory': there is one process. "
                f"Received: workers={self.workers}. Set `direct: {{mode: multi_processing}}` for more."
            )
        if self.workers is not None and engine.WORKER_FLAG is None:
            raise ValueError(
                f"`workers` must be left out where `runner` is {self.runner!r}: the cluster has as many as it has. "
                f"Received: workers={self.workers}."
            )
        if self.workers == 0 and self.runner != "direct":
            raise ValueError(f"`workers` must be at least 1 where `runner` is {self.runner!r}. Received: workers=0.")
        return self

    @pydantic.model_validator(mode="after")
    def _workers_find_the_code(self) -> "BeamConfig":
        shipped = [key for key in ("sdk_container_image", "setup_file", "extra_packages") if getattr(self, key)]
        if self.runner in _ON_THIS_MACHINE and shipped:
            raise ValueError(
                f"`{shipped[0]}` must be left out where `runner` is {self.runner!r}: its workers run in the "
                f"environments that stand already. Received: {getattr(self, shipped[0])!r}."
            )
        if self.runner == "dataflow" and not shipped:
            raise ValueError(
                "`sdk_container_image` or `setup_file` must be given where `runner` is 'dataflow': its workers must be "
                "able to import `modules`. Received: neither."
            )
        engine = self.engine
        in_containers = isinstance(engine, PortableEngine) and engine.environment.type == "docker"
        if in_containers and self.sdk_container_image is None:
            raise ValueError(
                f"`sdk_container_image` must be given where `{self.runner}.environment.type` is 'docker'. "
                "Received: none."
            )
        return self

    @pydantic.model_validator(mode="after")
    def _options_are_known_and_not_said_twice(self) -> "BeamConfig":
        if self.options:
            check_raw_flags(self.options, self.runner, self._keys())
        return self

    @property
    def engine(self) -> Engine:
        """The section of the runner."""
        return getattr(self, self.runner) or DirectEngine()

    def pipeline_args(self) -> list[str]:
        """Returns Beam's own pipeline options, for every component that runs on it."""
        workers = 1 if self.workers is None and self.runner == "direct" else self.workers
        return [
            f"--runner={self.engine.RUNNER}",
            *self.engine.flags(self.sdk_container_image),
            *([] if workers is None else [f"{self.engine.WORKER_FLAG}={workers}"]),
            *(f"{flag}={getattr(self, key)}" for key, flag in _COMMON_FLAGS.items() if getattr(self, key) is not None),
            *(f"--extra_package={package}" for package in self.extra_packages),
            *self.options,
        ]

    def _keys(self) -> dict[str, str]:
        """Returns which key sets which flag of Beam."""
        worker_flag = self.engine.WORKER_FLAG
        return {
            "--runner": "beam.runner",
            _OLD_IMAGE_FLAG: "beam.sdk_container_image",
            "--extra_package": "beam.extra_packages",
            **{flag: f"beam.{key}" for key, flag in _COMMON_FLAGS.items()},
            **{flag: f"beam.{self.runner}.{key}" for flag, key in self.engine.flag_keys()},
            **({worker_flag: "beam.workers"} if worker_flag else {}),
        }
