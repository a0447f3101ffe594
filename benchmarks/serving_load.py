"""Latency and errors of the local server at rising concurrency, across a hot reload, over REST and gRPC.

python -m benchmarks.serving_load --output serving.json --plot docs/images/serving.png

Starts servers of its own on this machine, as users do, over a model of exact search (ids in, ten best items out), and
prints Markdown. Every client waits for its answer before it asks again. Halfway through each measurement a new version
is pushed, so half of all answers come from a version that took over under load.
"""

import math
import queue
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.command import markdown_table, parser, write_json
from benchmarks.load_clients import Ask, Target, clients
from benchmarks.load_model import save_search
from benchmarks.load_server import MODEL, serving, wait_until
from benchmarks.plots import png

_CONCURRENCY = (1, 2, 4, 8, 16, 32)
_COLUMNS = ("answers / s", "p50 ms", "p95 ms", "p99 ms", "errors", "old version", "new version")
_BATCHING = "max_batch_size { value: 32 } batch_timeout_micros { value: 1000 }\n"


class Load(NamedTuple):
    """What was measured at one concurrency.

    Args:
      seconds: of every answered request, from asking to the parsed answer.
      errors: error -> how often.
      versions: version that answered -> how often.
      elapsed: seconds from the first request to the last answer.
    """

    seconds: list[float]
    errors: dict[str, int]
    versions: dict[int, int]
    elapsed: float


def measure(ask: Sequence[Ask], requests: int, reload: Callable[[], None]) -> Load:
    """Sends requests from one thread for each client.

    Args:
      ask: the clients; each sends a request and returns the version that answered it.
      requests: how many are sent in all, at least.
      reload: pushes a new version and returns once it answers; runs beside the requests when half of them are sent.
        Requests go on until it is done, and for half as many after.

    Returns:
      What came of it.
    """
    results: queue.SimpleQueue[tuple[float, int | str]] = queue.SimpleQueue()
    stop, half = threading.Event(), threading.Event()
    reloaded_at: list[int] = []

    def work(client: Ask) -> None:
        while not stop.is_set():
            started = time.perf_counter()
            try:
                outcome: int | str = client()
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}"
            results.put((time.perf_counter() - started, outcome))
            sent = results.qsize()
            if sent >= requests // 2:
                half.set()
            if reloaded_at and sent >= max(requests, reloaded_at[0] + requests // 2):
                stop.set()

    threads = [threading.Thread(target=work, args=(client,)) for client in ask]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    half.wait()
    try:
        reload()
    finally:
        reloaded_at.append(results.qsize())
        for thread in threads:
            thread.join()
    elapsed = time.perf_counter() - started
    outcomes = [results.get() for _ in range(results.qsize())]
    return Load(
        [seconds for seconds, outcome in outcomes if isinstance(outcome, int)],
        dict(Counter(outcome for _, outcome in outcomes if isinstance(outcome, str))),
        dict(Counter(outcome for _, outcome in outcomes if isinstance(outcome, int))),
        elapsed,
    )


def row(name: str, load: Load) -> list[str]:
    """Returns the cells of a table's line."""
    percentiles = 1e3 * np.percentile(load.seconds or [math.nan], [50, 95, 99])
    newest = load.versions.get(max(load.versions, default=0), 0)
    return [
        name,
        f"{len(load.seconds) / load.elapsed:,.0f}",
        *(f"{value:.1f}" for value in percentiles),
        f"{sum(load.errors.values()):,}",
        f"{len(load.seconds) - newest:,}",
        f"{newest:,}",
    ]


def plot(loads: dict[str, dict[int, Load]], path: Path) -> None:
    """Writes a PNG of median and 99th percentile against concurrency."""
    with png(path, figsize=(7, 5)) as (figure, axes):
        for index, (name, by_clients) in enumerate(loads.items()):
            for percentile, style in ((50, "o-"), (99, "^--")):
                values = [1e3 * np.percentile(load.seconds, percentile) for load in by_clients.values()]
                axes.loglog(list(by_clients), values, style, color=f"C{index}", label=f"{name}, p{percentile}")
        axes.set_xlabel("clients at once")
        axes.set_ylabel("latency, ms")
        axes.grid(which="major", alpha=0.3)
        figure.legend(loc="outside lower center", ncols=2)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    options = parser(__doc__)
    options.add_argument("--plot", type=Path, help="also draw the latencies into this PNG")
    options.add_argument("--requests", type=int, default=1000, help="at each concurrency, at least")
    args = options.parse_args(argv)
    concurrency = (2,) if args.quick else _CONCURRENCY
    requests, items = (20, 100) if args.quick else (args.requests, 10_000)
    loads: dict[str, dict[int, Load]] = {}
    with tempfile.TemporaryDirectory() as folder:
        parameters = Path(folder, "batching")
        parameters.write_text(_BATCHING)
        batched = ("--enable_batching", f"--batching_parameters_file={parameters}")
        for suffix, flags in (("", ()), (", batched", batched)):
            versions = _Versions(Path(folder, f"models{suffix}"), items)
            versions.prepare()
            versions.push()
            with serving(versions.models, *flags) as target:
                for name, transport in (("REST", "rest"), ("gRPC", "grpc")):
                    loads[name + suffix] = {
                        count: _measured(target, transport, count, requests, versions) for count in concurrency
                    }
    tables = []
    for name, by_clients in loads.items():
        rows = [row(str(count), load) for count, load in by_clients.items()]
        tables.append(markdown_table([f"{name}: clients", *_COLUMNS], rows))
        for error, times in Counter(error for load in by_clients.values() for error in load.errors).items():
            print(f"{name}: at {times} concurrencies: {error}", file=sys.stderr)
    print("\n\n".join(tables))
    results = {name: {str(count): load._asdict() for count, load in by.items()} for name, by in loads.items()}
    write_json(args.output, {"loads": results})
    if args.plot:
        plot(loads, args.plot)


class _Versions:
    """The model's versions: each is written beside, then appears at once."""

    def __init__(self, models: Path, items: int) -> None:
        self.models = models
        self._items = items
        self.newest = 0

    def prepare(self) -> None:
        """Writes the next version where the server does not look."""
        save_search(str(self._beside), self.newest + 1, items=self._items, dim=64, k=10)

    def push(self) -> None:
        """Makes it appear."""
        self.newest += 1
        self._beside.rename(self.models / MODEL / str(self.newest))

    @property
    def _beside(self) -> Path:
        return self.models / MODEL / ".next"


def _measured(target: Target, transport: str, count: int, requests: int, versions: _Versions) -> Load:
    """Measures one concurrency, across a push of the next version."""
    versions.prepare()

    def reload() -> None:
        versions.push()
        wait_until(lambda: target.version() == versions.newest)

    with clients(target, transport, count) as ask:
        return measure(ask, requests, reload)


if __name__ == "__main__":
    main()
