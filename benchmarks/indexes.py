"""How fast each index finds candidates, and how many of them are the right ones, as the corpus grows.

python -m benchmarks.indexes [--quick] [--threads 1] [--output results.json] [--plot indexes.png]
"""

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks import command
from benchmarks.index_plot import plot_recall
from benchmarks.item_vectors import item_vectors, queries_near
from modules.export.cells import cut_into_cells, default_cell_count
from modules.export.index_choice import calibrate
from modules.export.index_recall import exact_ids, recall
from modules.export.indexes import ExactIndex, Index, ScannIndex
from modules.export.partitioned_index import PartitionedIndex

EXACT = "exact_top_k"
_CALLS_A_TURN = 10


class Sizes(NamedTuple):
    """What is searched, and how long it is timed."""

    corpora: tuple[tuple[str, int], ...] = (
        ("clustered", 10_000),
        ("clustered", 100_000),
        ("clustered", 1_000_000),
        ("normal", 1_000_000),
    )
    width: int = 64
    k: int = 100
    queries: int = 256
    batches: tuple[int, ...] = (1, 32)
    calls: int = 200
    min_recall: float = 0.95


_QUICK = Sizes(corpora=(("clustered", 600), ("normal", 600)), width=8, k=10, queries=64, batches=(1, 8), calls=4)


class Measured(NamedTuple):
    """What one index costs and finds.

    Attributes:
      recall: share of the exact answer, a mean over the queries.
      seconds: batch size -> median and 99th percentile of a call on the clock.
      build_seconds: making the index from the vectors, calibration included.
      megabytes: of a SavedModel that holds the vectors, the index, and the search.
      looks_at: what share of the cells; None where there are none.
    """

    recall: float
    seconds: dict[int, tuple[float, float]]
    build_seconds: float
    megabytes: float
    looks_at: float | None = None


class BruteForce(tf.Module):
    """TFRS's layer as a peer; it knows no exclusions."""

    def __init__(self, candidates: tf.Variable, k: int) -> None:
        super().__init__()
        import tensorflow_recommenders as tfrs

        self._layer = tfrs.layers.factorized_top_k.BruteForce(k=k)
        self._layer.index(candidates[1:], tf.range(1, candidates.shape[0], dtype=tf.int64))

    def search(self, query: tf.Tensor, exclude: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns ids and scores `[B, k]`; nothing is excluded."""
        del exclude, k
        scores, ids = self._layer(query)
        return ids, scores


def indexes(sizes: Sizes, queries: np.ndarray) -> Iterator[tuple[str, Callable[[tf.Variable], Index]]]:
    """Yields the name of each index and what builds it from the candidates."""
    yield EXACT, ExactIndex
    yield "TFRS BruteForce", lambda candidates: BruteForce(candidates, sizes.k)
    for quantisation in ("none", "int8"):
        yield (
            f"partitioned, {quantisation}",
            lambda candidates, q=quantisation: _partitioned(candidates, sizes, queries, q),
        )
    yield "ScaNN", lambda candidates: ScannIndex(candidates, sizes.k)


def _partitioned(candidates: tf.Variable, sizes: Sizes, queries: np.ndarray, quantisation: str) -> PartitionedIndex:
    vectors = candidates.numpy()[1:]
    cells = cut_into_cells(vectors, default_cell_count(len(vectors)))
    index = PartitionedIndex(candidates, cells, 1, quantisation)
    calibrate(index, cells, candidates, queries, sizes.k, sizes.min_recall)
    return index


def measure(kind: str, num_items: int, sizes: Sizes) -> tuple[dict[str, Measured], list[tuple[float, float]]]:
    """Measures every index on one corpus, by queries that none was calibrated with.

    Returns:
      Results by name, and the (recall, median seconds of one query) of the partitioned index at several numbers of
      cells looked into.
    """
    vectors = item_vectors(kind, num_items, sizes.width)
    calibration, query = (queries_near(kind, vectors, sizes.queries, seed) for seed in (1, 2))
    candidates = tf.Variable(np.concatenate([np.zeros_like(vectors[:1]), vectors]))
    exclude = np.zeros([len(query), 20], np.int64)
    expected = exact_ids(candidates, query, exclude, sizes.k)
    found, searches, built, looks_at = {}, {}, {}, {}
    for name, build in indexes(sizes, calibration):
        start = time.perf_counter()
        index = build(candidates)
        seconds = time.perf_counter() - start
        searches[name] = _compiled(index, sizes)
        built[name] = seconds, _saved_megabytes(index, candidates, searches[name])
        found[name] = recall(_answer(searches[name], query, exclude), expected)
        if isinstance(index, PartitionedIndex):
            looks_at[name] = int(index.probes) / index.num_cells
            partitioned = index
    times = {batch: _latencies(searches, query, exclude, batch, sizes.calls) for batch in sizes.batches}
    results = {
        name: Measured(found[name], {batch: times[batch][name] for batch in times}, *built[name], looks_at.get(name))
        for name in searches
    }
    # The last of them; its search reads how many cells to look into from the index.
    name = [*looks_at][-1]
    trade_off = []
    for probes in _spread(int(partitioned.probes), partitioned.num_cells):
        partitioned.look_into(probes)
        seconds, _ = _latencies({name: searches[name]}, query, exclude, 1, sizes.calls)[name]
        trade_off.append((recall(_answer(searches[name], query, exclude), expected), seconds))
    return results, trade_off


def _spread(probes: int, most: int) -> list[int]:
    return sorted({max(1, min(most, round(probes * factor))) for factor in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4)})


def _compiled(index: Index, sizes: Sizes) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    return tf.function(
        lambda query, exclude: index.search(query, exclude, sizes.k),
        autograph=False,
        input_signature=[tf.TensorSpec([None, sizes.width]), tf.TensorSpec([None, None], tf.int64)],
    )


def _answer(search: Callable, query: np.ndarray, exclude: np.ndarray, batch: int = 32) -> np.ndarray:
    parts = range(0, len(query), batch)
    return np.concatenate([search(query[i : i + batch], exclude[i : i + batch])[0].numpy() for i in parts])


def _latencies(
    searches: Mapping[str, Callable], query: np.ndarray, exclude: np.ndarray, batch: int, calls: int
) -> dict[str, tuple[float, float]]:
    """Returns the median and the 99th percentile of a warmed-up call of each search.

    The searches take turns, so that a spell of load on the machine falls on all of them alike. A turn is ten calls, the
    first of which is not counted: a server has one index, whose data no other's scan drives out of the cache. Every
    call brings the next queries.
    """
    parts = [
        (tf.constant(query[i : i + batch]), tf.constant(exclude[i : i + batch])) for i in range(0, len(query), batch)
    ]
    seconds = {name: [] for name in searches}
    for turn in range(1 + max(3, math.ceil(calls / batch / _CALLS_A_TURN))):
        for name, search in searches.items():
            for call in range(_CALLS_A_TURN):
                start = time.perf_counter()
                search(*parts[(turn * _CALLS_A_TURN + call) % len(parts)])
                if turn and call:
                    seconds[name].append(time.perf_counter() - start)
    return {name: (float(np.median(own)), float(np.quantile(own, 0.99))) for name, own in seconds.items()}


def _saved_megabytes(index: Index, candidates: tf.Variable, search: Any) -> float:
    module = tf.Module()
    module.index, module.candidates, module.search = index, candidates, search
    with tempfile.TemporaryDirectory() as folder:
        options = tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])
        tf.saved_model.save(module, folder, search.get_concrete_function(), options)
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 1e6


def table(results: Mapping[str, Measured], sizes: Sizes) -> str:
    """Returns one row an index; the factor is how much faster than `exact_top_k` it answers one query."""
    exact = results[EXACT].seconds[sizes.batches[0]][0]
    rows = []
    for name, result in results.items():
        times = [f"{1000 * part:.2f}" for batch in sizes.batches for part in result.seconds[batch]]
        factor = exact / result.seconds[sizes.batches[0]][0]
        looks_at = "-" if result.looks_at is None else f"{100 * result.looks_at:.1f}%"
        cells = [f"{result.recall:.3f}", *times, f"{factor:.1f}", looks_at]
        rows.append([name, *cells, f"{result.build_seconds:.1f}", f"{result.megabytes:,.0f}"])
    header = [f"B={batch}, {what} ms" for batch in sizes.batches for what in ("p50", "p99")]
    header = [f"recall@{sizes.k}", *header, "times as fast", "cells searched", "build s", "MB saved"]
    return command.markdown_table(["Index", *header], rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command.parser(__doc__)
    parser.add_argument("--threads", type=int, default=1, help="of TensorFlow; ScaNN searches a query on one whatever")
    parser.add_argument("--plot", type=Path, help="also plot recall against latency to this PNG")
    arguments = parser.parse_args(argv)
    command.prepare_tensorflow()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    sizes = _QUICK if arguments.quick else Sizes()
    results, curves, points = {}, {}, {}
    for kind, num_items in sizes.corpora:
        name = f"{num_items:,} items, {kind}"
        measured, curves[name] = measure(kind, num_items, sizes)
        points[name] = {index: (m.recall, m.seconds[sizes.batches[0]][0]) for index, m in measured.items()}
        results[name] = {index: m._asdict() for index, m in measured.items()}
        print(f"\n{name}\n\n{table(measured, sizes)}", flush=True)
    command.write_json(arguments.output, {"corpora": results, "recall_and_seconds": curves})
    if arguments.plot:
        plot_recall(curves, points, sizes.k, arguments.plot)


if __name__ == "__main__":
    main()
