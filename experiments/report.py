"""Turns the results of a table into Markdown, CSV and a plot."""

import csv
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from scipy import stats

from experiments.cells import Result, Results
from experiments.config import Table

matplotlib.use("Agg")

from matplotlib import pyplot

METRICS = ("retriever_ndcg@10", "two_stage_ndcg@10", "two_stage_recall@10", "two_stage_mrr@10", "retriever_recall@100")
_TWO_STAGE, _RETRIEVER = "val_two_stage_ndcg@10", "val_retriever_ndcg@10"


def seconds_until(history: Sequence[Mapping[str, float]], reached: Callable[[Mapping[str, float]], bool]) -> float:
    """Returns the CPU seconds until the first epoch that `reached` accepts, validation included; NaN if none does."""
    total = 0.0
    for epoch in history:
        total += epoch["cpu_seconds"]
        if reached(epoch):
            return total
    return math.nan


def seconds_to_pass_retriever(result: Result) -> float:
    """Returns the seconds until the two stages first rank better than the retriever alone, on validation."""
    return seconds_until(result["history"], lambda epoch: epoch[_TWO_STAGE] > epoch[_RETRIEVER])


def seconds_to_quality(result: Result, share: float = 0.95) -> float:
    """Returns the seconds until the two stages reach a share of their best validation NDCG@10."""
    return seconds_until(result["history"], lambda epoch: epoch[_TWO_STAGE] >= share * result["validation"])


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Returns the mean and the sample standard deviation (0 of a single value)."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def paired_p_value(ours: Sequence[Result], theirs: Sequence[Result], metric: str = "two_stage_ndcg@10") -> float:
    """Returns the two-sided p of a paired t-test over test users, each user's value a mean over the seeds both ran."""
    ours_by_seed, theirs_by_seed = ({run["cell"].seed: run["users"][metric] for run in runs} for runs in (ours, theirs))
    seeds = sorted(ours_by_seed.keys() & theirs_by_seed.keys())
    means = [np.mean([values[seed] for seed in seeds], axis=0) for values in (ours_by_seed, theirs_by_seed)]
    return float(stats.ttest_rel(*means).pvalue)


def mark(p_value: float) -> str:
    """Returns the paper's mark: ** for p < 0.01, * for p < 0.05."""
    return "**" if p_value < 0.01 else "*" if p_value < 0.05 else ""


def write(table: Table, results: Results, folder: Path, name: str) -> None:
    """Writes `<name>.md`, `<name>.csv` and one plot a data set to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    sections = [f"# {table.title}", ""]
    datasets = dict.fromkeys(dataset for dataset, _ in results)
    for dataset in datasets:
        plot = f"{name}-{dataset}.png"
        _plot(table, dataset, results, folder / plot)
        sections += [f"## {table.datasets[dataset].label}", "", *_markdown(table, dataset, results), ""]
        sections += [f"![Validation NDCG@10 over epochs]({plot})", ""]
    (folder / f"{name}.md").write_text("\n".join(sections))
    with (folder / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["dataset", "method", "point", "seed", "best_epoch", "validation_ndcg@10", *METRICS, "seconds"])
        for (dataset, method), runs in results.items():
            for run in runs:
                cell = run["cell"]
                point = " ".join(f"{key}={value}" for key, value in cell.point)
                row = [dataset, method, point, cell.seed, run["best_epoch"], run["validation"]]
                writer.writerow([*row, *(run["test"].get(metric, "") for metric in METRICS), round(run["seconds"])])


def _markdown(table: Table, dataset: str, results: Results) -> list[str]:
    methods = {key: method for key, method in table.datasets[dataset].methods.items() if (dataset, key) in results}
    compared = _comparison(table, dataset, results)
    header = ["method", *([f"{methods[table.compared].label} against it"] if compared else [])]
    header += ["chosen", "seeds", *METRICS, "CPU s an epoch", "CPU s to pass its retriever", "CPU s to 95 %"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for method, settings in methods.items():
        runs = results[dataset, method]
        point = ", ".join(f"{key.rsplit('.', 1)[1]} {value}" for key, value in runs[0]["cell"].point)
        cells = [settings.label, *([compared.get(method, "")] if compared else []), point or "–", str(len(runs))]
        # Where the second stage ranks the whole corpus, the first is not used.
        ranks_all = runs[0]["model"]["candidates"] == "all"
        for metric in METRICS:
            unused = ranks_all and metric.startswith("retriever_")
            # The recall of the first stage is of as many items as it hands on, 100 or not.
            values = [run["test"][metric] for run in runs if metric in run["test"] and not unused]
            cells.append(_over_seeds(values))
        epochs = [epoch["cpu_seconds"] for run in runs for epoch in run["history"]]
        times = [
            statistics.median(epochs),
            math.nan if ranks_all else statistics.median(seconds_to_pass_retriever(run) for run in runs),
            statistics.median(seconds_to_quality(run) for run in runs),
        ]
        cells += ["–" if math.isnan(seconds) else f"{seconds:.0f}" for seconds in times]
        lines.append("| " + " | ".join(cells) + " |")
    if compared:
        lines += [
            "",
            "Against it: relative difference of two-stage NDCG@10; paired t-test over users, * p < 0.05, ** p < 0.01.",
        ]
    return lines


def _over_seeds(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.4f}" if values else "–"
    return "{:.4f} ± {:.4f}".format(*mean_and_deviation(values))


def _comparison(table: Table, dataset: str, results: Results) -> dict[str, str]:
    """Returns method -> how far the table's compared method lies above it, with the t-test's mark."""
    ours = results.get((dataset, table.compared))
    if not ours:
        return {}
    entries = {}
    for (name, method), theirs in results.items():
        if name == dataset and method != table.compared:
            own, other = (statistics.fmean(run["test"]["two_stage_ndcg@10"] for run in runs) for runs in (ours, theirs))
            entries[method] = f"{own / other - 1:+.1%}{mark(paired_p_value(ours, theirs))}"
    return entries


def _plot(table: Table, dataset: str, results: Results, path: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for index, (method, settings) in enumerate(table.datasets[dataset].methods.items()):
        runs = results.get((dataset, method), [])
        for run in runs:
            first = run is runs[0]
            epochs = [epoch["epoch"] for epoch in run["history"]]
            label = settings.label if first else None
            style = {"color": f"C{index}", "alpha": 0.9 if first else 0.4}
            axes.plot(epochs, [epoch[_TWO_STAGE] for epoch in run["history"]], label=label, **style)
            if not settings.baseline:
                axes.plot(epochs, [epoch[_RETRIEVER] for epoch in run["history"]], linestyle=":", **style)
    axes.set(xlabel="epoch", ylabel="validation NDCG@10", title=table.datasets[dataset].label)
    axes.plot([], [], color="grey", linestyle=":", label="its retriever alone")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
