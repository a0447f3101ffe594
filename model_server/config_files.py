"""The config files for batching and monitoring, as TF Serving reads them."""

from model_server.forms import config_protos
from model_server.forms.text_protos import read_text_proto
from model_server.models.batching import Batching

DEFAULT_METRICS_PATH = "/monitoring/prometheus/metrics"


def read_batching(path: str) -> Batching:
    """Returns the batching a text proto `BatchingParameters` asks for; what it leaves out has its default.

    `thread_pool_name` names threads that are not here. `pad_variable_length_inputs`, `enable_large_batch_splitting`
    and `max_execution_batch_size` make TF Serving answer what would else be an error; here requests of other shapes are
    not merged and larger ones run on their own, so they are answered without.

    Raises:
      ValueError: where the file is missing, is not such a message, or a value is out of range.
    """
    proto = config_protos.batching_parameters()
    read_text_proto("batching_parameters_file", path, proto, "BatchingParameters")
    names = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    given = {name: getattr(proto, name).value for name in names if proto.HasField(name)}
    return Batching(**given, allowed_batch_sizes=tuple(proto.allowed_batch_sizes))


def read_metrics_path(path: str) -> str | None:
    """Returns where a text proto `MonitoringConfig` wants the Prometheus metrics, or None where it wants none.

    Raises:
      ValueError: where the file is missing, is not such a message, or the path does not start with a slash.
    """
    proto = config_protos.monitoring_config()
    config = read_text_proto("monitoring_config_file", path, proto, "MonitoringConfig").prometheus_config
    if not config.enable:
        return None
    if config.path and not config.path.startswith("/"):
        raise ValueError(f"`path` of prometheus_config must start with '/'. Received: path={config.path!r}.")
    return config.path or DEFAULT_METRICS_PATH
