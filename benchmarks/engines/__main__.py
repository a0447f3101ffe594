"""What the Beam components cost on several engines, and whether they write the same.

python -m benchmarks.engines [--quick] [--config pipeline.yaml] [--engines ...] [--root folder] [--output results.json]
"""

import concurrent.futures
import contextlib
import csv
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import command
from benchmarks.engines import pipeline
from benchmarks.engines.local_engine import local_engine
from benchmarks.engines.outputs import read_outputs
from benchmarks.engines.process_tree import watch
from tfx_pipeline.beam.config import BeamConfig
from tfx_pipeline.config import DEFAULT_CONFIG, PipelineConfig, load_config

WORKERS = 2
IN_MEMORY, MULTI_PROCESSING, JOB_SERVER = "in_memory", "multi_processing", "job_server"
_LABELS = {
    IN_MEMORY: "direct, in memory",
    MULTI_PROCESSING: f"direct, {WORKERS} worker processes",
    JOB_SERVER: "job server, 1 worker process",
}


class Run(NamedTuple):
    """One pass of the components over the table.

    Attributes:
      wall_seconds: on the clock.
      cpu_seconds: of the process that runs the pipeline, the workers, and the job server.
      driver_bytes: the most memory that the process held that runs the pipeline.
      rest_bytes: the most that all the others held together.
    """

    wall_seconds: float
    cpu_seconds: float
    driver_bytes: int
    rest_bytes: int


def run_on(engine: str, config: PipelineConfig, root: Path) -> Run:
    """Runs the components once, the pipeline in a process of its own whose imports are not counted.

    Args:
      engine: one of the three.
      config: of the pipeline; its `root` and `beam` are replaced.
      root: folder of everything the run writes.
    """
    with contextlib.ExitStack() as stack:
        processes: Sequence[int] = ()
        settings: dict[str, Any] = {}
        if engine == MULTI_PROCESSING:
            settings = {"workers": WORKERS, "direct": {"mode": "multi_processing"}}
        if engine == JOB_SERVER:
            local = stack.enter_context(local_engine(root / "engine"))
            settings, processes = local.settings, local.processes
        config = config.model_copy(update={"root": str(root), "beam": BeamConfig(**settings)})
        context = multiprocessing.get_context("spawn")
        executor = stack.enter_context(concurrent.futures.ProcessPoolExecutor(1, context))
        driver = executor.submit(pipeline.prepare).result()
        start = time.perf_counter()
        with watch(driver, processes) as tree:
            executor.submit(pipeline.run, config).result()
        return Run(time.perf_counter() - start, tree.cpu_seconds, tree.head_bytes, tree.rest_bytes)


def table(runs: dict[str, Run], equal: dict[str, bool | None]) -> str:
    """Returns one row an engine; `equal` is None for the one that the others are compared with."""
    rows = [
        [
            _LABELS[engine],
            f"{run.wall_seconds:,.0f}",
            f"{run.cpu_seconds:,.0f}",
            f"{run.driver_bytes / 1e6:,.0f}",
            f"{run.rest_bytes / 1e6:,.0f}",
            {None: "-", True: "yes", False: "no"}[equal[engine]],
        ]
        for engine, run in runs.items()
    ]
    header = ["Engine", "wall s", "CPU s", "peak MB, driver", "peak MB, all others", "equal output"]
    return command.markdown_table(header, rows)


def quick_config(folder: Path) -> PipelineConfig:
    """Writes a table of 60 users and 40 items, and returns a configuration over it."""
    path = folder / "interactions.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", "timestamp", "kind", "price"])
        for user in range(60):
            for step in range(14):
                item = (user * 7 + step * (1 + user % 3)) % 40
                writer.writerow([f'user "{user}"', f"№ {item}", 1_600_000_000 + step, f"kind {item % 3}", item / 7])
    return PipelineConfig(
        data={
            "source": "csv",
            "path": str(path),
            "min_user_interactions": 5,
            "min_item_interactions": 5,
            "item_features": {"kind": {"column": "kind"}, "price": {"column": "price", "kind": "numeric"}},
        },
        model={"candidates": 20},
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command.parser(__doc__)
    parser.add_argument("--config", default=DEFAULT_CONFIG, help="pipeline whose data to run over")
    parser.add_argument(
        "--engines", nargs="+", default=list(_LABELS), choices=list(_LABELS), help="the first is the measure"
    )
    parser.add_argument("--root", type=Path, help="keep what the runs write in this folder, one an engine")
    arguments = parser.parse_args(argv)
    with contextlib.ExitStack() as stack:
        root = arguments.root or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root.mkdir(parents=True, exist_ok=True)
        config = quick_config(root) if arguments.quick else load_config(arguments.config)
        runs = {}
        for engine in arguments.engines:
            runs[engine] = run_on(engine, config, root / engine)
            print(f"{_LABELS[engine]}: {runs[engine]}", file=sys.stderr, flush=True)
        written = {
            engine: read_outputs(config.model_copy(update={"root": str(root / engine)}).pipeline_root)
            for engine in runs
        }
    first, *others = arguments.engines
    equal = {first: None, **{engine: written[engine] == written[first] for engine in others}}
    print(table(runs, equal))
    results = {engine: {**run._asdict(), "equal_output": equal[engine]} for engine, run in runs.items()}
    command.write_json(arguments.output, {"engines": results})


if __name__ == "__main__":
    main()
