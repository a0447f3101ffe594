"""Request counts and latencies under TF Serving's metric names, in Prometheus' text format."""

import re
import threading
from collections import Counter

import prometheus_client

from model_server.errors import Code

CONTENT_TYPE = "text/plain"

_COUNT = ":tensorflow:serving:request_count"
_LATENCY = ":tensorflow:serving:request_latency"
# 10 microseconds and up by a factor of 1.8: TF Serving's 33 buckets, to about twenty minutes.
_BUCKETS = tuple(10 * 1.8**exponent for exponent in range(33))
_BOUND = re.compile(rb'le="([0-9.e+]+)"')


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
          api: "predict" of REST, "Predict" of gRPC, and so on.
          entrypoint: "REST" or "GRPC".
          status: the name of the status code.
          seconds: how long it took; the latency is that of the calls that were answered.
        """
        with self._lock:
            self._counts[model, status] += 1
        if status == Code.OK.name:
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
        # The client library writes bounds with a point and all digits, TF Serving with six digits at most.
        latency = _BOUND.sub(
            lambda bound: b'le="%g"' % float(bound[1]), prometheus_client.generate_latest(self._registry)
        )
        return "\n".join(lines).encode() + b"\n" + latency


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
