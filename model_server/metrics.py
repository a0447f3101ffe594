"""Request counts and latencies under TF Serving's metric names, in Prometheus' text format."""

import threading
from collections import Counter

import prometheus_client

CONTENT_TYPE = "text/plain"

_COUNT = ":tensorflow:serving:request_count"
_LATENCY = ":tensorflow:serving:request_latency"
# 10 microseconds and up by a factor of 1.8: TF Serving's 33 buckets, to about twenty minutes.
_BUCKETS = tuple(10 * 1.8**exponent for exponent in range(33))


class Metrics:
    """What the server counts; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        # A registry of its own: the default one holds what any import registers there.
        self._registry = prometheus_client.CollectorRegistry()
        prometheus_client.disable_created_metrics()
        self._latency = prometheus_client.Histogram(
            _LATENCY,
            "Distribution of wall time (in microseconds) for a request.",
            ("model_name", "API", "entrypoint"),
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def record(self, model: str, api: str, entrypoint: str, status: str, seconds: float) -> None:
        """Counts one request.

        Args:
          model: the model's name; must be one that is served, since each name is kept for ever.
          api: "Predict", "Classify" or "Regress".
          entrypoint: "REST" or "GRPC".
          status: the name of the status code.
          seconds: how long it took.
        """
        with self._lock:
            self._counts[model, status] += 1
        self._latency.labels(model, api, entrypoint).observe(seconds * 1e6)

    def text(self) -> bytes:
        """Returns the page Prometheus reads."""
        # The client library ends the names of counters in _total, which TF Serving does not.
        with self._lock:
            counts = sorted(self._counts.items())
        lines = [f"# TYPE {_COUNT} counter"]
        lines += [
            f'{_COUNT}{{model_name="{_escape(model)}",status="{status}"}} {count}' for (model, status), count in counts
        ]
        return "\n".join(lines).encode() + b"\n" + prometheus_client.generate_latest(self._registry)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
