"""How many negatives a second each proposal draws, log q included, as the corpus grows.

python -m benchmarks.samplers [--quick] [--output results.json] [--plot draws.png]
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks import command
from benchmarks.peers import OnePassExactSampler
from benchmarks.plots import plot_draws
from benchmarks.timing import Timing, fastest, growth_exponent
from benchmarks.workload import popular_corpus
from modules.models.corpus import Corpus
from modules.models.samplers.base import Sampler
from modules.models.samplers.exact import ExactSampler
from modules.models.samplers.midx import MIDXSampler
from modules.models.samplers.popularity import PopularitySampler
from modules.models.samplers.uniform import UniformSampler

_EXACT_COPIES = 3
"""How many float32 `[batch, N]` matrices the exact softmax holds at once."""


class Sizes(NamedTuple):
    """What is drawn from, and how long it is timed."""

    corpora: tuple[int, ...] = (2_000, 20_000, 200_000, 1_000_000)
    codewords: tuple[int, ...] = (16, 64)
    embedding_dim: int = 64
    batch_size: int = 256
    num_draws: int = 20
    max_bytes: int = 3_000_000_000
    rounds: int = 20


_QUICK = Sizes(corpora=(100, 1_000), codewords=(4,), embedding_dim=8, batch_size=16, rounds=1)


class Measured(NamedTuple):
    """Timings by proposal, of one batch of draws and, where there is an index, of one refresh of it."""

    draws: dict[str, Timing]
    refresh: dict[str, Timing]


def proposals(sizes: Sizes, corpus: Corpus) -> dict[str, Sampler]:
    """Returns the proposals by name, those left out that need more memory than allowed."""

    def make(sampler: type[Sampler], **options: int) -> Sampler:
        return sampler(corpus, sizes.embedding_dim, sampler.Options(**options), seed=17)

    result = {"uniform": make(UniformSampler), "popularity": make(PopularitySampler)}
    for codewords in sizes.codewords:
        result[f"MIDX, K={codewords}"] = make(MIDXSampler, codewords=codewords)
    if 4 * _EXACT_COPIES * sizes.batch_size * corpus.num_items <= sizes.max_bytes:
        result["exact softmax"] = make(ExactSampler)
        result["exact softmax, one pass (peer)"] = make(OnePassExactSampler)
    return result


def measure(num_items: int, sizes: Sizes) -> Measured:
    """Times all proposals on one corpus, turn by turn."""
    rng = np.random.default_rng(num_items)

    def embeddings(rows: int) -> tf.Tensor:
        return tf.constant(rng.normal(size=(rows, sizes.embedding_dim)) / sizes.embedding_dim**0.25, tf.float32)

    candidates, query = embeddings(num_items + 1), embeddings(sizes.batch_size)
    samplers = proposals(sizes, popular_corpus(num_items))
    indexed = {name: sampler for name, sampler in samplers.items() if isinstance(sampler, MIDXSampler)}
    refreshes = {name: _compiled_refresh(sampler, candidates) for name, sampler in indexed.items()}
    for name, sampler in samplers.items():
        if name not in indexed:
            sampler.refresh([candidates])
    refresh_timings = fastest(refreshes, rounds=min(2, sizes.rounds))
    draws = {name: _compiled_draws(sampler, query, sizes.num_draws) for name, sampler in samplers.items()}
    return Measured(fastest(draws, sizes.rounds), refresh_timings)


def _compiled_draws(sampler: Sampler, query: tf.Tensor, num_draws: int) -> Callable[[], object]:
    # The query is an argument: what depends on a constant alone would be computed when compiling.
    draw = tf.function(lambda queries, seed: sampler.sample(queries, num_draws, seed), autograph=False)
    return functools.partial(draw, query, tf.constant([17, 0], tf.int64))


def _compiled_refresh(sampler: Sampler, candidates: tf.Tensor) -> Callable[[], object]:
    return functools.partial(tf.function(sampler.refresh, autograph=False), [candidates])


def draws_table(measured: Mapping[int, Measured], draws_a_call: int) -> str:
    """Returns one row a proposal: draws a CPU second at each size of the corpus, and the growth of time with it."""
    rows = []
    for name in next(iter(measured.values())).draws:
        seconds = {size: timings.draws[name].cpu for size, timings in measured.items() if name in timings.draws}
        cells = [f"{draws_a_call / seconds[size]:,.0f}" if size in seconds else "-" for size in measured]
        rows.append([name, *cells, f"{growth_exponent([*seconds], [*seconds.values()]):.2f}"])
    return command.markdown_table(["Draws / CPU s", *(f"N={size:,}" for size in measured), "time ~ N^p, p ="], rows)


def refresh_table(measured: Mapping[int, Measured]) -> str:
    """Returns one row an index: CPU milliseconds of a refresh at each size, and the growth of time with it."""
    rows = []
    for name in next(iter(measured.values())).refresh:
        seconds = [timings.refresh[name].cpu for timings in measured.values()]
        cells = [f"{1000 * cpu:,.1f}" for cpu in seconds]
        rows.append([name, *cells, f"{growth_exponent([*measured], seconds):.2f}"])
    return command.markdown_table(["Refresh, CPU ms", *(f"N={size:,}" for size in measured), "time ~ N^p, p ="], rows)


def as_json(measured: Mapping[int, Measured]) -> dict[str, Any]:
    """Returns the timings as nested dicts: size -> "draws" or "refresh" -> proposal -> seconds."""
    return {
        str(size): {
            kind: {name: timing._asdict() for name, timing in timings.items()}
            for kind, timings in sizes_measured._asdict().items()
        }
        for size, sizes_measured in measured.items()
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command.parser(__doc__)
    parser.add_argument("--plot", type=Path, help="also plot draws a second against the corpus to this PNG")
    arguments = parser.parse_args(argv)
    command.prepare_tensorflow()
    sizes = _QUICK if arguments.quick else Sizes()
    measured = {size: measure(size, sizes) for size in sizes.corpora}
    draws_a_call = sizes.batch_size * sizes.num_draws
    print(f"{draws_table(measured, draws_a_call)}\n\n{refresh_table(measured)}")
    command.write_json(arguments.output, {"draws_a_call": draws_a_call, "items": as_json(measured)})
    if arguments.plot:
        plot_draws({size: timings.draws for size, timings in measured.items()}, draws_a_call, arguments.plot)


if __name__ == "__main__":
    main()
