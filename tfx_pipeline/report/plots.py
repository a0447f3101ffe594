"""The report's figures, as PNG data URIs that need no other file."""

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modules.data.examples.slices import LENGTH_BANDS, POPULARITY_BANDS
from tfx_pipeline.evaluation import HEADLINE_K, METRICS, metric_name
from tfx_pipeline.report.contents import Evaluation, Metric, Slice

STAGES = {"retriever": "retriever alone", "two_stage": "two stages"}
"""What is compared -> how it is called."""

_COLOURS = {"retriever": "#a3b1c2", "two_stage": "#1b6ca8"}
_INK, _GRID = "#2b3440", "#e3e8ee"
_MOST_VALUES = 12
_STYLE = {
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.edgecolor": "#c3ccd6",
    "legend.frameon": False,
    # Titles and categories are data: a dollar sign in them starts no formula.
    "text.parse_math": False,
}


def cutoffs_of(evaluation: Evaluation, stage: str, metric: str) -> list[int]:
    """Returns the cutoffs a metric of a stage was measured at, ascending."""
    prefix = f"{stage}/{metric}@"
    return sorted(int(name.removeprefix(prefix)) for name in evaluation.overall if name.startswith(prefix))


def stages_by_cutoff(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Draws, a figure a metric, the retriever alone beside the two stages at every cutoff.

    Returns:
      (caption, data URI) pairs.
    """
    figures = []
    for metric in METRICS:
        cutoffs = cutoffs_of(evaluation, "two_stage", metric)
        if not cutoffs:
            continue
        series = {s: [evaluation.overall[metric_name(s, metric, k)] for k in cutoffs] for s in STAGES}
        with matplotlib.rc_context(_STYLE):
            figure, axes = _figure(height=2.5)
            _bars(axes, series)
            axes.set_xticks(range(len(cutoffs)), [f"@{k}" for k in cutoffs])
            axes.yaxis.grid(True, color=_GRID)
            figures.append((f"{_label(metric)} by cutoff", _data_uri(figure)))
    return figures


def slices(evaluation: Evaluation, min_users: int) -> list[tuple[str, str]]:
    """Draws, a figure a feature, NDCG of both stages in every slice, with its number of users.

    Args:
      evaluation: with slices.
      min_users: slices of fewer users are left out.

    Returns:
      (caption, data URI) pairs.
    """
    names = {stage: metric_name(stage, "ndcg", HEADLINE_K) for stage in STAGES}
    figures = []
    for feature in dict.fromkeys(s.feature for s in evaluation.slices):
        chosen = [s for s in evaluation.slices if s.feature == feature and _users(s, names["two_stage"]) >= min_users]
        if not chosen:
            continue
        title = f"NDCG@{HEADLINE_K} by {feature.replace('_', ' ')}"
        if len(chosen) > _MOST_VALUES:
            title += f", the {_MOST_VALUES} largest of {len(chosen)}"
        chosen = in_order(sorted(chosen, key=lambda s: -_users(s, names["two_stage"]))[:_MOST_VALUES])
        with matplotlib.rc_context(_STYLE):
            figure, axes = _figure(height=0.9 + 0.45 * len(chosen))
            _bars(
                axes,
                {s: [c.metrics[name] for c in chosen] for s, name in names.items()},
                horizontal=True,
            )
            labels = [f"{_shorten(c.value)}\n{_users(c, names['two_stage']):,} users" for c in chosen]
            axes.set_yticks(range(len(chosen)), labels)
            axes.set_ylim(len(chosen) - 0.4, -0.6)
            axes.xaxis.grid(True, color=_GRID)
            figures.append((title, _data_uri(figure)))
    return figures


def training_curves(history: Sequence[Mapping[str, float]]) -> list[tuple[str, str]]:
    """Draws by epoch the losses, and each validation metric of the two stages and the retriever.

    Args:
      history: a dict an epoch; validation metrics are prefixed by `val_` or `valid/`.

    Returns:
      (caption, data URI) pairs.
    """
    keys = list(dict.fromkeys(key for epoch in history for key in epoch))
    validation = {_stage_and_metric(key): key for key in keys if _is_validation(key)}
    losses = [key for key in keys if not _is_validation(key) and ("loss" in key or key == "kl")]
    figures = []
    if losses:
        figures.append(("Training losses", _lines(history, {key: key for key in losses})))
    for metric in dict.fromkeys(metric for _, metric in validation):
        stages = {STAGES[s]: validation[s, metric] for s in STAGES if (s, metric) in validation}
        title = f"Validation {_label(metric)}"
        figures.append((title, _lines(history, stages, {STAGES[s]: _COLOURS[s] for s in STAGES})))
    return figures


def _stage_and_metric(key: str) -> tuple[str, str]:
    name = key.removeprefix("val_").removeprefix("valid/")
    for stage in STAGES:
        for separator in "_/":
            if name.startswith(stage + separator):
                return stage, name.removeprefix(stage + separator)
    return "two_stage", name


def _is_validation(key: str) -> bool:
    return key.startswith(("val_", "valid/"))


def _label(metric: str) -> str:
    name, at, k = metric.partition("@")
    return {"recall": "Recall", "ndcg": "NDCG", "mrr": "MRR"}.get(name, name) + at + k


def _lines(
    history: Sequence[Mapping[str, float]],
    keys: Mapping[str, str],
    colours: Mapping[str, str] | None = None,
) -> str:
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure(height=2.7)
        for label, key in keys.items():
            points = [(epoch.get("epoch", n), epoch[key]) for n, epoch in enumerate(history, 1) if key in epoch]
            axes.plot(
                *zip(*points, strict=True),
                label=label,
                color=(colours or {}).get(label),
                marker="o" if len(points) < 30 else None,
                markersize=3,
                linewidth=1.6,
            )
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]  # the default locator takes it
        axes.grid(True, color=_GRID)
        return _data_uri(figure)


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.6, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def _bars(axes: Axes, series: Mapping[str, Sequence[Metric]], horizontal: bool = False) -> None:
    width = 0.8 / len(series)
    for i, (stage, metrics) in enumerate(series.items()):
        positions = [n + (i - (len(series) - 1) / 2) * width for n in range(len(metrics))]
        values = [_or_zero(metric.value) for metric in metrics]
        errors = [_or_zero(metric.error) for metric in metrics]
        style: dict[str, Any] = {
            "color": _COLOURS[stage],
            "label": STAGES[stage],
            "ecolor": _INK,
            "error_kw": {"elinewidth": 0.9},
        }
        if horizontal:
            axes.barh(positions, values, width * 0.92, xerr=errors, **style)
        else:
            axes.bar(positions, values, width * 0.92, yerr=errors, **style)
    # An error bar may reach below zero, a metric may not.
    (axes.set_xlim if horizontal else axes.set_ylim)(0)


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _users(of_slice: Slice, name: str) -> int:
    metric = of_slice.metrics.get(name)
    return metric.users if metric else 0


def in_order(chosen: Iterable[Slice]) -> list[Slice]:
    """Puts bands into their own order, and leaves other values as they are, the largest first."""
    chosen = list(chosen)
    for bands in (LENGTH_BANDS, POPULARITY_BANDS):
        if all(s.value in bands for s in chosen):
            return sorted(chosen, key=lambda s: bands.index(s.value))
    return chosen


def _shorten(text: str, length: int = 24) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _data_uri(figure: Figure) -> str:
    figure.legend(loc="outside upper left", ncols=4, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
