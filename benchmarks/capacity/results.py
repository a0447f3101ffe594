"""Measurements in a file of JSON lines, one appended as soon as it is made."""

import json
from pathlib import Path
from typing import NamedTuple

from benchmarks.capacity.process import Taken


class Cell(NamedTuple):
    """One measurement.

    Attributes:
      name: of the component or the stage.
      size: interactions that the component read, or items of the stage's corpus.
      taken: see there.
      figures: further numbers, by name.
    """

    name: str
    size: int
    taken: Taken
    figures: dict[str, float]


class Results:
    """What has been measured so far.

    Args:
      path: of the file; it need not be there yet.

    Raises:
      ValueError: where a line of the file is no measurement.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.cells = [_cell(line, path, number) for number, line in enumerate(lines, start=1)]

    def has(self, name: str, size: int) -> bool:
        """Tells whether a component or stage has been measured at a size."""
        return any((cell.name, cell.size) == (name, size) for cell in self.cells)

    def add(self, cell: Cell) -> None:
        """Appends a measurement to the file, and prints it."""
        self.cells.append(cell)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({**cell._asdict(), "taken": cell.taken._asdict()})
        with self._path.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


def _cell(line: str, path: Path, number: int) -> Cell:
    try:
        fields = json.loads(line)
        return Cell(**{**fields, "taken": Taken(**fields["taken"])})
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path}, line {number}, must be a measurement ({error}); remove the line, and it is made anew. "
            f"Received: {line[:80]!r}."
        ) from error
