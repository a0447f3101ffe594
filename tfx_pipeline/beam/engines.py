"""What each engine needs to be told; every section turns itself into Beam's own flags.

Source of the flags: `apache_beam.options.pipeline_options`, and `apache_beam.runners.dask.dask_runner` for Dask.
"""

import json
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import pydantic

from modules.section import Section

Address = Annotated[str, pydantic.Field(pattern=r"^[^\s/:]+:\d+$")]
"""`host:port`."""

Bucket = Annotated[str, pydantic.Field(pattern=r"^gs://[^/\s]+(/\S*)?$")]
"""A folder of Google Cloud Storage."""

FlinkVersion = Literal["1.17", "1.18", "1.19"]
"""The Flink versions that Beam publishes a job server for."""


class Engine(Section):
    """A section of one runner."""

    RUNNER: ClassVar[str]
    """What Beam calls it."""
    FLAGS: ClassVar[dict[str, str]] = {}
    """Field -> the flag it becomes; a true switch becomes the bare flag, None and false become none."""
    WORKER_FLAG: ClassVar[str | None] = None
    """What `workers` becomes; None where the engine decides alone."""

    def flags(self, image: str | None) -> list[str]:
        """Returns Beam's flags of what is set, in the order of `FLAGS`.

        Args:
          image: `sdk_container_image`, where an engine is told of it by a flag of its own.
        """
        del image
        return [flag for field, name in self.FLAGS.items() for flag in _flag(name, getattr(self, field))]

    def flag_keys(self) -> Iterator[tuple[str, str]]:
        """Yields (flag, key of this section) of every flag that has a key."""
        for field, flag in self.FLAGS.items():
            yield flag, field


def _flag(name: str, value: object) -> list[str]:
    if value is None or value is False:
        return []
    return [name if value is True else f"{name}={value}"]


class DirectEngine(Engine):
    """This machine: Beam's own runner, in the process that starts it or in processes of its own."""

    RUNNER = "DirectRunner"
    FLAGS = {"mode": "--direct_running_mode"}
    WORKER_FLAG = "--direct_num_workers"

    mode: Literal["in_memory", "multi_threading", "multi_processing"] = "in_memory"
    """In the process itself, in threads of it, or in processes of their own (10 to 30 s more a component)."""


class WorkerEnvironment(Section):
    """Where an engine that is not written in Python finds the Python processes that run the components' code."""

    type: Literal["docker", "external", "process", "loopback"]
    """A container of `sdk_container_image`, a worker pool that stands already, a command that starts a worker, or the
    process that starts the pipeline (to try an engine out: its machines must reach that process)."""
    address: Address | None = None
    """Of the worker pool, as the engine's machines see it; for `external`."""
    command: str | None = None
    """Beam's `boot` program on each of the engine's machines; for `process`."""
    variables: dict[str, str] = {}
    """Environment variables of the command; for `process`."""

    @pydantic.model_validator(mode="after")
    def _settings_are_of_the_type(self) -> "WorkerEnvironment":
        for key, of_type in (("address", "external"), ("command", "process")):
            value = getattr(self, key)
            if (self.type == of_type) != (value is not None):
                rule = "given" if self.type == of_type else "left out"
                raise ValueError(f"`{key}` must be {rule} where `type` is {self.type!r}. Received: {key}={value!r}.")
        if self.variables and self.type != "process":
            raise ValueError(
                f"`variables` must be left out where `type` is {self.type!r}. Received: variables={self.variables}."
            )
        return self

    def flags(self, image: str | None) -> list[str]:
        """Returns Beam's flags; `image` is that of the containers."""
        # Beam's portable runners do not look at `--sdk_container_image`.
        config = image if self.type == "docker" else self.address
        if self.command is not None:
            config = json.dumps({"command": self.command, "env": self.variables})
        return [f"--environment_type={self.type.upper()}", *_flag("--environment_config", config)]


class PortableEngine(Engine):
    """Any engine behind a Beam job server."""

    RUNNER = "PortableRunner"
    FLAGS = {
        "job_endpoint": "--job_endpoint",
        "artifact_endpoint": "--artifact_endpoint",
        "timeout_seconds": "--job_server_timeout",
    }
    WORKER_FLAG = "--sdk_worker_parallelism"

    job_endpoint: Address
    """Of the job server."""
    artifact_endpoint: Address | None = None
    """Of its artifact service; None takes the one that the job server names."""
    timeout_seconds: int = pydantic.Field(86_400, ge=1)
    """How long to wait for the job server, and with Beam's Python one for a whole Beam pipeline: its state is read from
    a call that Beam ends then, by itself after a minute."""
    environment: WorkerEnvironment
    """Where the Python workers run."""

    def flags(self, image: str | None) -> list[str]:
        """See base class; the environment's flags come last."""
        return [*super().flags(image), *self.environment.flags(image)]

    def flag_keys(self) -> Iterator[tuple[str, str]]:
        """See base class."""
        yield from super().flag_keys()
        for flag in ("--environment_type", "--environment_config", "--environment_option"):
            yield flag, "environment"


class JavaEngine(PortableEngine):
    """A cluster behind a job server that stands already, one that is started from a jar, or its own REST API."""

    job_server_jar: str | None = None
    """Path or URL of Beam's job server for the cluster; None fetches it from Maven Central."""
    submit_uber_jar: bool = False
    """Whether the pipeline goes to the REST API as one jar, without a job server in between."""
    job_endpoint: Address | None = None  # type: ignore[assignment]  # optional in Spark and Flink alone
    """Of a job server that stands already; None starts one, with Java, for the time of the run."""


class FlinkEngine(JavaEngine):
    """A Flink cluster."""

    RUNNER = "FlinkRunner"
    FLAGS = {
        "master": "--flink_master",
        "version": "--flink_version",
        "job_server_jar": "--flink_job_server_jar",
        "submit_uber_jar": "--flink_submit_uber_jar",
        **PortableEngine.FLAGS,
    }
    WORKER_FLAG = "--parallelism"

    master: str = pydantic.Field(pattern=r"^(\[local\]|(https?://)?[^\s/:]+:\d+)$")
    """REST address of the JobManager, `host:port`; `[local]` starts a Flink inside the job server."""
    version: FlinkVersion = "1.19"
    """Of the cluster; it decides which job server fits."""


class SparkEngine(JavaEngine):
    """A Spark 3 cluster."""

    RUNNER = "SparkRunner"
    FLAGS = {
        "master": "--spark_master_url",
        "job_server_jar": "--spark_job_server_jar",
        "submit_uber_jar": "--spark_submit_uber_jar",
        "rest_url": "--spark_rest_url",
        **PortableEngine.FLAGS,
    }

    master: str = pydantic.Field(pattern=r"^(spark://[^\s/:]+:\d+|local(\[[^\]\s]+\])?)$")
    """`spark://host:port`, or `local[n]` for n threads inside the job server."""
    rest_url: str | None = pydantic.Field(None, pattern=r"^https?://[^\s/:]+:\d+$")
    """Of Spark's REST API (`spark.master.rest.enabled`); for `submit_uber_jar`."""

    @pydantic.model_validator(mode="after")
    def _a_jar_needs_somewhere_to_go(self) -> "SparkEngine":
        if self.submit_uber_jar != (self.rest_url is not None):
            rule = "given" if self.submit_uber_jar else "left out"
            raise ValueError(
                f"`rest_url` must be {rule} where `submit_uber_jar` is {str(self.submit_uber_jar).lower()}. "
                f"Received: rest_url={self.rest_url!r}."
            )
        return self


class DataflowEngine(Engine):
    """Google Cloud Dataflow."""

    RUNNER = "DataflowRunner"
    FLAGS = {
        "project": "--project",
        "region": "--region",
        "temp_location": "--temp_location",
        "staging_location": "--staging_location",
        "machine_type": "--machine_type",
        "max_workers": "--max_num_workers",
        "service_account": "--service_account_email",
    }
    WORKER_FLAG = "--num_workers"

    project: str
    """The Google Cloud project that is billed."""
    region: str
    """Where the workers run, such as `europe-west4`."""
    temp_location: Bucket
    """For what Dataflow writes between steps."""
    staging_location: Bucket | None = None
    """For what the workers are started with; None takes `temp_location`."""
    machine_type: str | None = None
    """Of the workers; None leaves it to Dataflow."""
    max_workers: int | None = pydantic.Field(None, ge=1)
    """Up to how many workers it scales; None leaves it to Dataflow."""
    service_account: str | None = None
    """E-mail address of the account that the workers run as; None takes the project's default."""


class DaskEngine(Engine):
    """A Dask cluster. Beam 2.61's runner does not know side inputs, so that no component runs on it."""

    # The one runner that Beam does not know by a short name.
    RUNNER = "apache_beam.runners.dask.dask_runner.DaskRunner"
    FLAGS = {"scheduler": "--dask_client_address", "timeout_seconds": "--dask_connection_timeout"}

    scheduler: str = pydantic.Field(pattern=r"^(tcp|tls)://[^\s/:]+:\d+$")
    """Address of the scheduler, `tcp://host:port`."""
    timeout_seconds: int | None = pydantic.Field(None, ge=1)
    """How long to wait for it; None takes Dask's default."""


ENGINES: dict[str, type[Engine]] = {
    "direct": DirectEngine,
    "flink": FlinkEngine,
    "spark": SparkEngine,
    "dataflow": DataflowEngine,
    "dask": DaskEngine,
    "portable": PortableEngine,
}
"""Name of the runner, which is that of its section -> the section."""
