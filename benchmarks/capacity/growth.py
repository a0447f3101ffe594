"""From measurements to growth: tables, exponents, the plot, and what they tell of a larger set on named clusters."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.capacity.data_half import COMPONENTS
from benchmarks.capacity.results import Cell
from benchmarks.command import markdown_table
from benchmarks.plots import MARKERS, png
from benchmarks.timing import growth_exponent

TAOBAO_INTERACTIONS = 63_721_355
"""Of the paper's Taobao set, which has 1,101,236 items."""
EFFICIENCY = 0.7
"""Share of its workers' time that a distributed engine is taken to spend on the work itself."""
_MEGABYTE = 1e6
_MINUTE = 60.0


class Cluster(NamedTuple):
    """Workers that a component is spread over, each core taken to be as fast as one of the measuring machine."""

    name: str
    cores: int


CLUSTERS = (
    Cluster("one VM, 16 cores", 16),
    Cluster("Dataflow, 8 x n1-standard-4", 32),
    Cluster("Dataflow, 32 x n1-standard-4", 128),
)


class Line(NamedTuple):
    """`fixed + slope * size`: what a component takes whatever the size, and what one row more adds."""

    fixed: float
    slope: float

    def at(self, size: float) -> float:
        """Returns the value at a size."""
        return self.fixed + self.slope * size


def line_through(sizes: Sequence[int], values: Sequence[float]) -> Line:
    """Returns the line through the two largest sizes, where what does not grow weighs the least.

    Raises:
      ValueError: for fewer than two sizes.
    """
    if len(sizes) < 2:
        raise ValueError(f"`sizes` must hold at least two to extrapolate from. Received: {list(sizes)}.")
    (small, low), (large, high) = sorted(zip(sizes, values, strict=True))[-2:]
    slope = (high - low) / (large - small)
    return Line(high - slope * large, slope)


def put_tables(cells: Sequence[Cell], path: Path) -> None:
    """Puts the tables into a Markdown file, each between the comments `<!-- name -->` and `<!-- end of name -->`.

    Args:
      cells: what was measured.
      path: of the file; it has the comments of `components`, `extrapolation` and `stages`.

    Raises:
      ValueError: where a comment is missing.
    """
    text = path.read_text()
    tables = {
        "components": data_half_table(cells),
        "extrapolation": extrapolation_table(cells),
        "stages": stages_table(cells),
    }
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if begin not in text or end not in text:
            raise ValueError(f"{path} must hold the lines {begin!r} and {end!r}. Received a file without them.")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n\n{table}\n\n{end}{rest.partition(end)[2]}"
    path.write_text(text)


def _by_component(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    found = {name: sorted((c for c in cells if c.name == name), key=lambda c: c.size) for name in COMPONENTS}
    return {name: of_component for name, of_component in found.items() if of_component}


def data_half_table(cells: Sequence[Cell]) -> str:
    """Returns a row a component: CPU seconds and memory at each size, and the exponents that both grow with."""
    components = _by_component(cells)
    sizes = sorted({cell.size for of_component in components.values() for cell in of_component})
    header = ["Component"]
    header += [f"{size:,}: CPU s" for size in sizes] + ["CPU ~ n^p, p ="]
    header += [f"{size:,}: MB added (peak)" for size in sizes] + ["MB ~ n^p, p =", "MB a million more"]
    rows = []
    for name, of_component in components.items():
        at = {cell.size: cell.taken for cell in of_component}
        measured = list(at)
        cpu, added = [taken.cpu_seconds for taken in at.values()], [taken.added_bytes for taken in at.values()]
        row = [name]
        row += [f"{at[size].cpu_seconds:,.1f}" if size in at else "-" for size in sizes]
        row += [_number(growth_exponent(measured, cpu))]
        row += [
            f"{at[size].added_bytes / _MEGABYTE:,.0f} ({at[size].peak_bytes / _MEGABYTE:,.0f})" if size in at else "-"
            for size in sizes
        ]
        row += [_number(growth_exponent(measured, added))]
        row += ["-" if len(measured) < 2 else f"{line_through(measured, added).slope * 1e6 / _MEGABYTE:,.1f}"]
        rows.append(row)
    return markdown_table(header, rows)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def extrapolation_table(cells: Sequence[Cell], interactions: int = TAOBAO_INTERACTIONS) -> str:
    """Returns a row a component: what `interactions` take on each cluster; "" where there is nothing to go by."""
    rows = []
    for name, of_component in _by_component(cells).items():
        if len(of_component) < 2:
            continue
        sizes = [cell.size for cell in of_component]
        cpu = line_through(sizes, [cell.taken.cpu_seconds for cell in of_component])
        peak = line_through(sizes, [cell.taken.peak_bytes for cell in of_component])
        minutes = [_minutes(cpu, interactions, cluster) for cluster in CLUSTERS]
        rows.append(
            [
                name,
                f"{cpu.at(interactions) / _MINUTE:,.1f}",
                *(f"{minute:,.1f}" for minute in minutes),
                f"{max(peak.at(interactions), of_component[-1].taken.peak_bytes) / 1e9:,.1f}",
            ]
        )
    if not rows:
        return ""
    header = ["Component", "CPU minutes", *(f"{cluster.name}, minutes" for cluster in CLUSTERS), "one process, peak GB"]
    return markdown_table([f"{interactions:,} interactions", *header[1:]], rows)


def _minutes(cpu: Line, interactions: int, cluster: Cluster) -> float:
    """What does not grow is not spread either: it is the start of each step on its own."""
    fixed = max(0.0, cpu.fixed)
    return (fixed + cpu.slope * interactions / (cluster.cores * EFFICIENCY)) / _MINUTE


def stages_table(cells: Sequence[Cell]) -> str:
    """Returns a row a stage of training and export for each corpus; "" where none was measured."""
    stages = [cell for cell in cells if cell.name not in COMPONENTS and cell.name != "Generator"]
    rows = [
        [
            f"{cell.name}, {cell.size:,} items",
            f"{cell.taken.cpu_seconds:,.1f}",
            f"{cell.taken.added_bytes / _MEGABYTE:,.0f}",
            f"{cell.taken.peak_bytes / _MEGABYTE:,.0f}",
            ", ".join(f"{name.replace('_', ' ')}: {value:,.0f}" for name, value in cell.figures.items()),
        ]
        for cell in stages
    ]
    return markdown_table(["Stage", "CPU s", "MB added", "peak MB", "also"], rows) if rows else ""


def plot_growth(cells: Sequence[Cell], path: Path) -> None:
    """Writes a PNG of CPU seconds and of added memory against the number of interactions, all logarithmic."""
    components = _by_component(cells)
    with png(path, ncols=2, figsize=(11, 4.5)) as (figure, axes):
        for (name, of_component), marker in zip(components.items(), MARKERS, strict=False):
            sizes = [cell.size for cell in of_component]
            axes[0].loglog(sizes, [cell.taken.cpu_seconds for cell in of_component], marker=marker, label=name)
            axes[1].loglog(sizes, [cell.taken.added_bytes / _MEGABYTE for cell in of_component], marker=marker)
        for axis, label in zip(axes, ("CPU seconds", "memory added at the peak, MB"), strict=True):
            axis.set_xlabel("interactions")
            axis.set_ylabel(label)
            axis.grid(which="major", alpha=0.3)
        figure.legend(loc="outside lower center", ncols=len(components))
