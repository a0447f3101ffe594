"""Whether the engine of a configuration is there, asked before anything is computed."""

from collections.abc import Callable

from tfx_pipeline.beam.config import BeamConfig
from tfx_pipeline.beam.engines import DaskEngine, DataflowEngine, FlinkEngine, JavaEngine, PortableEngine, SparkEngine
from tfx_pipeline.beam.probes import (
    EngineError,
    require_jar,
    require_java,
    require_job_server,
    require_json,
    require_listening,
)

__all__ = ["EngineError", "check_engine"]

_CORRECT = "Start it, or correct the key; docs/engines.md tells what must stand."


def check_engine(beam: BeamConfig) -> None:
    """Asks the engine whether it is there and is what the configuration says; the direct runner always is.

    What cannot be seen from here stays unseen: whether the engine's own machines reach the worker pools, the images and
    the storage.

    Args:
      beam: a valid section.

    Raises:
      EngineError: naming the key, the address, what was found, and what to do.
    """
    if beam.runner in _CHECKS:
        _CHECKS[beam.runner](beam.engine)


def _check_portable(engine: PortableEngine) -> None:
    require_job_server("beam.portable.job_endpoint", engine.job_endpoint, _CORRECT)


def _check_flink(engine: FlinkEngine) -> None:
    if _job_server_stands("flink", engine):
        return
    if not engine.submit_uber_jar:
        require_java("beam.flink.job_endpoint", engine.job_endpoint)  # type: ignore[arg-type]  # asked where it is set only
    if engine.master == "[local]":
        return
    url = engine.master if "://" in engine.master else f"http://{engine.master}"
    key = "beam.flink.master"
    version = require_json(key, url, "/v1/config", "flink-version", "the REST address of a Flink cluster", _CORRECT)
    if not version.startswith(engine.version):
        raise EngineError(
            f"`beam.flink.version` must be that of the cluster at {url}, {version}. Received: {engine.version!r}. "
            "Beam's job servers fit one version each: correct the key, or run a cluster of that version."
        )


def _check_spark(engine: SparkEngine) -> None:
    if _job_server_stands("spark", engine):
        return
    if engine.submit_uber_jar:
        key, what = "beam.spark.rest_url", "the address of Spark's REST API (`spark.master.rest.enabled`)"
        # Any name of a submission will do: the server says its version with its regrets.
        require_json(key, engine.rest_url, "/v1/submissions/status/none", "serverSparkVersion", what, _CORRECT)  # type: ignore[arg-type]  # asked where it is set only
        return
    require_java("beam.spark.job_endpoint", engine.job_endpoint)  # type: ignore[arg-type]  # asked where it is set only
    if engine.master.startswith("spark://"):
        address = engine.master.removeprefix("spark://")
        require_listening("beam.spark.master", address, "the address of a Spark master", _CORRECT)


def _job_server_stands(name: str, engine: JavaEngine) -> bool:
    if engine.job_endpoint is not None:
        require_job_server(f"beam.{name}.job_endpoint", engine.job_endpoint, _CORRECT)
        return True
    require_jar(f"beam.{name}.job_server_jar", engine.job_server_jar)
    return False


def _check_dataflow(engine: DataflowEngine) -> None:
    from google import auth
    from google.auth.exceptions import GoogleAuthError

    try:
        auth.default()
    except GoogleAuthError as error:
        raise EngineError(
            f"`beam.dataflow.project` must be a project that this process has credentials for. Received: "
            f"{engine.project!r}: none were found ({error}). Run `gcloud auth application-default login`, or set "
            "GOOGLE_APPLICATION_CREDENTIALS to a service account's key file."
        ) from error


def _check_dask(engine: DaskEngine) -> None:
    # Seen with Beam 2.61 and Distributed 2024.12: every option of Beam goes to the client, which refuses them; a tagged
    # output comes out among the others; and the end of a pipeline calls the client without its argument.
    raise EngineError(
        "`beam.runner` must be an engine that can run the components. Received: 'dask' with the scheduler "
        f"{engine.scheduler!r}: the Dask runner of Beam 2.61 knows neither side inputs nor tagged outputs, which every "
        "component uses. Choose 'flink' or 'spark' on the same machines; docs/engines.md tells what must stand."
    )


_CHECKS: dict[str, Callable] = {
    "portable": _check_portable,
    "flink": _check_flink,
    "spark": _check_spark,
    "dataflow": _check_dataflow,
    "dask": _check_dask,
}
