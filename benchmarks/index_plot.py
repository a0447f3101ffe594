"""The plot of the indexes' benchmark."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.plots import MARKERS, png

Point = tuple[float, float]
"""Recall, and median seconds of one query."""


def plot_recall(
    curves: Mapping[str, Sequence[Point]], points: Mapping[str, Mapping[str, Point]], k: int, path: Path
) -> None:
    """Writes a PNG of recall against latency, a panel a corpus.

    Args:
      curves: corpus -> the partitioned index at several numbers of cells.
      points: corpus -> index -> as it is exported.
      k: of the recall.
      path: of the PNG.
    """
    count = len(curves)
    with png(path, ncols=count, figsize=(3.4 * count, 4), sharey=True, squeeze=False) as (figure, grid):
        panels = grid[0]
        for axes, (corpus, curve) in zip(panels, curves.items(), strict=True):
            recalls, seconds = zip(*curve, strict=True)
            axes.semilogx([1000 * part for part in seconds], recalls, color="grey", label="partitioned, by cells")
            for (index, (recall, part)), marker in zip(points[corpus].items(), MARKERS, strict=False):
                axes.semilogx([1000 * part], [recall], marker, label=index)
            axes.set_title(corpus, fontsize="medium")
            axes.set_xlabel("ms a query, median")
            axes.grid(which="major", alpha=0.3)
        panels[0].set_ylabel(f"recall@{k}")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
