"""One training and its test, done once: a finished cell is read, a broken-off one resumes at its last epoch."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from experiments.config import Cell, Table
from experiments.data import ExperimentData, prepare
from modules.training.fit import fit
from modules.training.inputs import evaluation_users
from modules.training.progress import MONITOR
from modules.training.validation import evaluate_batch, mean_over_users

_TEST_BATCH = 256
Result = dict[str, Any]
Results = dict[tuple[str, str], list[Result]]


def run_cell(table: Table, cell: Cell, data: ExperimentData, folder: Path) -> Result:
    """Trains, tests and writes down one cell, unless its result is there already.

    Returns:
      `cell`, its settings (`model`, `training`), `history` (one dict an epoch), `best_epoch`, `validation` (the best
      `MONITOR`), and `test`: metric name -> mean over the test users.
    """
    path = result_path(table, cell, folder)
    if path.exists():
        return json.loads(path.read_text())
    model_config, training = table.settings(cell)
    logging.info("%s", path.stem)
    started = time.monotonic()
    work = folder / "checkpoints" / path.stem
    fitted = fit(model_config, training, data.training, str(work))
    users = evaluation_users(data.test, model_config.history_length, _TEST_BATCH)
    candidates = model_config.candidate_count(data.training.corpus.num_items)
    evaluate = tf.function(
        lambda batch: evaluate_batch(fitted.model, batch, candidates),
        reduce_retracing=True,
    )
    result = {
        "cell": cell._asdict(),
        "model": model_config.model_dump(),
        "training": training.model_dump(),
        "history": fitted.history,
        "best_epoch": fitted.best_epoch,
        "validation": fitted.history[fitted.best_epoch - 1][MONITOR],
        "test": mean_over_users(evaluate(batch) for batch in users),
        "seconds": time.monotonic() - started,
    }
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(result, indent=1))
    temporary.replace(path)
    shutil.rmtree(work)
    tf.keras.backend.clear_session()
    return result


def result_path(table: Table, cell: Cell, folder: Path) -> Path:
    """Returns the file of a cell's result; it names all settings by a digest, so that changed ones are another cell."""
    sections = (table.datasets[cell.dataset].data, *table.settings(cell))
    settings = json.dumps([section.model_dump() for section in sections], sort_keys=True)
    return folder / f"{cell.slug}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}.json"


def run_cells(table: Table, datasets: Sequence[str], folder: Path, root: str) -> Results:
    """Runs what is missing of a table: the search of every method, then its best point from the other seeds.

    Returns:
      (data set, method) -> one result a seed.
    """
    results: Results = {}
    for name in datasets:
        data = prepare(name, table.datasets[name].data, root)
        methods = table.datasets[name].methods
        for method in methods:
            searched = [
                run_cell(table, Cell(name, method, point, table.seeds[0]), data, folder) for point in table.points(name)
            ]
            results[name, method] = [_best(searched)]
        # Seed by seed, so that a table broken off compares its methods over the same seeds.
        for seed in table.seeds[1:]:
            for method in methods:
                cell = Cell(name, method, _point(results[name, method][0]), seed)
                results[name, method].append(run_cell(table, cell, data, folder))
    return results


def finished_cells(table: Table, datasets: Sequence[str], folder: Path) -> Results:
    """Returns what `run_cells` would of the cells that are finished; methods without any are left out."""
    results: Results = {}
    for name, method in table.pairs():
        if name not in datasets:
            continue
        searched = _read(table, [Cell(name, method, point, table.seeds[0]) for point in table.points(name)], folder)
        if searched:
            best = _best(searched)
            others = _read(table, [Cell(name, method, _point(best), seed) for seed in table.seeds[1:]], folder)
            results[name, method] = [best, *others]
    return results


def _best(searched: Sequence[Result]) -> Result:
    return max(searched, key=lambda result: result["validation"])


def _point(result: Result) -> tuple[tuple[str, Any], ...]:
    return tuple((key, value) for key, value in result["cell"]["point"])


def _read(table: Table, cells: Sequence[Cell], folder: Path) -> list[Result]:
    paths = [result_path(table, cell, folder) for cell in cells]
    return [json.loads(path.read_text()) for path in paths if path.exists()]
