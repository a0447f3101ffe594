"""How many examples a second CoRR trains on, beside the plain formulation of the same model.

python -m benchmarks.training [--quick] [--output results.json]
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from benchmarks import command
from benchmarks.formulations import FORMULATIONS, PACKAGE, PLAIN, Formulation, TimedModel
from benchmarks.parts import MEASURED, compiled_parts, cpu_seconds_by_part
from benchmarks.timing import Timing, fastest
from benchmarks.workload import popular_corpus, training_batch
from modules.models.config import Choice, ModelConfig


class Sizes(NamedTuple):
    """What is trained, and how long it is timed."""

    corpora: tuple[int, ...] = (2_000, 100_000)
    batch_size: int = 256
    model: ModelConfig = ModelConfig(embedding_dim=64, history_length=20, num_negatives=20)
    formulations: tuple[Formulation, ...] = FORMULATIONS
    in_parts: tuple[Formulation, ...] = (PACKAGE, PLAIN)
    rounds: int = 12


_QUICK = Sizes(
    corpora=(200,),
    batch_size=16,
    model=ModelConfig(
        embedding_dim=8,
        history_length=5,
        num_negatives=4,
        retriever=Choice(name="sasrec", blocks=1),
        ranker=Choice(name="din", hidden_units=[8]),
    ),
    formulations=(PACKAGE, PLAIN),
    in_parts=(PACKAGE,),
    rounds=1,
)


def measure(num_items: int, sizes: Sizes) -> dict[str, Any]:
    """Times all formulations on one corpus, turn by turn, and returns the results of each by its name."""
    corpus = popular_corpus(num_items)
    batch = training_batch(corpus, sizes.batch_size, sizes.model.history_length)
    functions, refresh_steps = {}, {}
    for formulation in sizes.formulations:
        timed = TimedModel(formulation, corpus, sizes.model, batch)
        refresh_steps[formulation.name] = timed.refresh_steps
        parts = compiled_parts(timed, batch)
        wanted = parts if formulation in sizes.in_parts else ("step", "refresh")
        functions |= {(formulation.name, part): parts[part] for part in wanted}
    timings = fastest(functions, sizes.rounds)
    results = {}
    for formulation in sizes.formulations:
        own = {part: timing for (name, part), timing in timings.items() if name == formulation.name}
        results[formulation.name] = _summary(own, refresh_steps[formulation.name], sizes.batch_size)
    return results


def _summary(timings: Mapping[str, Timing], refresh_steps: int, batch_size: int) -> dict[str, Any]:
    step, refresh = timings["step"], timings["refresh"]
    cpu = step.cpu + refresh.cpu / refresh_steps
    wall = step.wall + refresh.wall / refresh_steps
    result = {
        "cpu_seconds_a_step": cpu,
        "wall_seconds_a_step": wall,
        "examples_a_cpu_second": batch_size / cpu,
        "examples_a_wall_second": batch_size / wall,
    }
    if set(MEASURED) <= set(timings):
        result["cpu_seconds_by_part"] = cpu_seconds_by_part(timings, refresh_steps)
    return result


def speed_table(results: Mapping[str, Any]) -> str:
    """Returns one row a formulation; the factor is how much longer its step takes than this package's."""
    fastest_step = results[PACKAGE.name]["cpu_seconds_a_step"]
    rows = [
        [
            name,
            f"{result['examples_a_cpu_second']:,.0f}",
            f"{result['examples_a_wall_second']:,.0f}",
            f"{1000 * result['cpu_seconds_a_step']:.1f}",
            f"{result['cpu_seconds_a_step'] / fastest_step:.2f}",
        ]
        for name, result in results.items()
    ]
    return command.markdown_table(
        ["Formulation", "examples / CPU s", "examples / s on the clock", "CPU ms / step", "times the package's"], rows
    )


def parts_table(results: Mapping[str, Any]) -> str:
    """Returns one row a part of the step: CPU milliseconds and share, for each formulation that was timed in parts."""
    timed = {name: result for name, result in results.items() if "cpu_seconds_by_part" in result}
    rows = []
    for part in results[PACKAGE.name]["cpu_seconds_by_part"]:
        row = [part]
        for result in timed.values():
            seconds = result["cpu_seconds_by_part"][part]
            row += [f"{1000 * seconds:.1f}", f"{seconds / result['cpu_seconds_a_step']:.0%}"]
        rows.append(row)
    header = [text for name in timed for text in (f"{name}, CPU ms", "share")]
    return command.markdown_table(["Part", *header], rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    arguments = command.parser(__doc__).parse_args(argv)
    command.prepare_tensorflow()
    sizes = _QUICK if arguments.quick else Sizes()
    results = {}
    for num_items in sizes.corpora:
        results[num_items] = measure(num_items, sizes)
        print(f"\n{num_items:,} items\n\n{speed_table(results[num_items])}\n\n{parts_table(results[num_items])}")
        tf.keras.backend.clear_session()
    command.write_json(arguments.output, {"batch_size": sizes.batch_size, "items": results})


if __name__ == "__main__":
    main()
