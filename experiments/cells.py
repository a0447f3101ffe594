"""One training and its test, done once: a finished cell is read, a broken-off one resumes at its last epoch."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from experiments.config import Cell, Point, Table
from experiments.data import ExperimentData, prepare
from modules.atomic_files import write_atomically
from modules.models.choices import CHOICES
from modules.training.fit import fit
from modules.training.inputs import evaluation_users
from modules.training.progress import MONITOR
from modules.training.validation import evaluate_batch, mean_over_users

PER_USER = ("two_stage_ndcg@10", "retriever_ndcg@10")
"""Metrics of which a result keeps each test user's value."""

_TEST_BATCH = 256
Result = dict[str, Any]
Results = dict[tuple[str, str], list[Result]]


def run_cell(table: Table, cell: Cell, data: ExperimentData, folder: Path) -> Result:
    """Trains, tests and writes down one cell, unless its result is there already.

    Returns:
      `model` and `training`, its settings; `history` (one dict an epoch), `best_epoch`, `validation` (the best
      `MONITOR`), `test`: metric name -> mean over the test users, `users`: the same, one value a user, for the metrics
      in `PER_USER`, and `cell`.
    """
    path = result_path(table, cell, folder)
    if not path.exists():
        _train_and_test(table, cell, data, path)
    return _read(path, cell)


def _train_and_test(table: Table, cell: Cell, data: ExperimentData, path: Path) -> None:
    model_config, training = table.settings(cell)
    logging.info("%s %s", cell.method, path.stem)
    started = time.monotonic()
    work = path.parent / "checkpoints" / path.stem
    fitted = fit(model_config, training, data.training, str(work))
    users = evaluation_users(data.test, model_config.history_length, _TEST_BATCH)
    candidates = model_config.candidate_count(data.training.corpus.num_items)
    evaluate = tf.function(
        lambda batch: evaluate_batch(fitted.model, batch, candidates),
        reduce_retracing=True,
    )
    batches = [evaluate(batch) for batch in users]
    result = {
        "model": model_config.model_dump(),
        "training": training.model_dump(),
        "history": fitted.history,
        "best_epoch": fitted.best_epoch,
        "validation": fitted.history[fitted.best_epoch - 1][MONITOR],
        "test": mean_over_users(batches),
        "users": {name: np.concatenate([batch[name] for batch in batches]).round(6).tolist() for name in PER_USER},
        "seconds": time.monotonic() - started,
    }
    write_atomically(path, json.dumps(result))
    shutil.rmtree(work)
    tf.keras.backend.clear_session()


def result_path(table: Table, cell: Cell, folder: Path) -> Path:
    """Returns the file of a cell's result.

    A digest of all settings that a result depends on names it: what two tables, methods or points of a search have in
    common is trained once, and changed settings are another cell.
    """
    model, training = table.settings(cell)
    components = {key: getattr(model, key) for key in CHOICES}
    sections = {
        "data": table.datasets[cell.dataset].data.model_dump(exclude={"spans"}),
        "training": training.model_dump(exclude={"warm_start", "distribution"}),
        # With what is left to its default: it makes no difference whether that is written out.
        "model": model.model_dump()
        | {
            key: CHOICES[key].options(component.name, component.options).model_dump()
            for key, component in components.items()
        },
    }
    digest = hashlib.sha256(json.dumps(sections, sort_keys=True).encode()).hexdigest()[:12]
    names = [component.name for component in components.values()]
    return folder / f"{'-'.join([cell.dataset, *names])}-seed={cell.seed}-{digest}.json"


def run_cells(
    table: Table,
    folder: Path,
    root: str,
    datasets: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
) -> None:
    """Runs what is missing of a table: the search of every method, then its best point from every seed.

    Args:
      table: the table.
      folder: of the results.
      root: of the prepared data.
      datasets: the ones to run; None: all.
      methods: the ones to run; None: all.
      seeds: the ones to run; None: all.

    Raises:
      ValueError: where a data set, method or seed is not in the table.
    """
    names = _chosen("--only", datasets, list(table.datasets))
    turns = _chosen("--seeds", seeds, table.seeds)
    _chosen("--methods", methods, sorted({method for _, method in table.pairs()}))
    for name in names:
        data = prepare(name, table.datasets[name].data, root)
        chosen = [method for method in table.datasets[name].methods if methods is None or method in methods]
        points = {}
        for method in chosen:
            searched = [run_cell(table, cell, data, folder) for cell in table.search_cells(name, method)]
            points[method] = _best_point(searched)
        # Seed by seed, so that a table broken off compares its methods over the same seeds.
        for seed in turns:
            for method in chosen:
                run_cell(table, Cell(name, method, points[method], seed), data, folder)


def _chosen(flag: str, wanted: Sequence | None, known: Sequence) -> Sequence:
    unknown = [value for value in wanted or () if value not in known]
    if unknown:
        raise ValueError(f"`{flag}` must be among {list(known)}. Received: {unknown}.")
    return known if wanted is None else wanted


def finished_cells(table: Table, folder: Path) -> Results:
    """Returns (data set, method) -> one result a seed, of the cells that are finished; methods without any are out."""
    results: Results = {}
    for name, method in table.pairs():
        search = table.search_cells(name, method)
        searched = _read_finished(table, search, folder)
        if len(searched) == len(search):
            cells = [Cell(name, method, _best_point(searched), seed) for seed in table.seeds]
            if finished := _read_finished(table, cells, folder):
                results[name, method] = finished
    return results


def _best_point(searched: Sequence[Result]) -> Point:
    return max(searched, key=lambda result: result["validation"])["cell"].point


def _read_finished(table: Table, cells: Sequence[Cell], folder: Path) -> list[Result]:
    paths = [(result_path(table, cell, folder), cell) for cell in cells]
    return [_read(path, cell) for path, cell in paths if path.exists()]


def _read(path: Path, cell: Cell) -> Result:
    return {**json.loads(path.read_text()), "cell": cell}
