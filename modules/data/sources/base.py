"""What a data set must tell about itself to be read."""

import abc
import dataclasses
import os
from typing import ClassVar

from modules.data.config import Columns, DataConfig
from modules.data.reading import files, rows
from modules.data.reading.rows import BadRow, Interaction, Layout

ITEMS = "items"
USERS = "users"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of items or users beside the interactions: its file, and how it is written."""

    path: str
    layout: Layout
    key: str
    """Column of the id."""
    config_key: str
    """What to change in the configuration where something is wrong with it."""


class Source(abc.ABC):
    """Where a data set's files are, and what one line of them means.

    A new source sets `columns` and `layout`, says where its files are (`locate`), and overrides
    what its lines do differently: usually no more than `item_cells`.

    Args:
      data: the settings; `path`, and the side features to be read.
    """

    columns: Columns
    """Which column of the interactions holds what."""
    layout: Layout
    """How the interactions are written."""
    derived_columns: ClassVar[dict[str, tuple[str, ...]]] = {}
    """Columns that `item_cells` or `user_cells` add, under "items" and "users"."""

    def __init__(self, data: DataConfig) -> None:
        self.data = data

    @abc.abstractmethod
    def locate(self, work_folder: str) -> tuple[str, str]:
        """Returns (folder, pattern) of the interactions' files.

        Args:
          work_folder: where a source without files of its own writes them.

        Raises:
          ValueError: no file is there.
        """

    def side_tables(self, input_base: str) -> dict[str, Table]:
        """Returns the separate tables of items and users, under "items" and "users".

        Args:
          input_base: the folder `locate` returned.
        """
        del input_base
        return {}

    def item_cells(self, cells: dict[str, str]) -> dict[str, str]:
        """Returns a row's cells with the columns that have to be worked out of others."""
        return cells

    def user_cells(self, cells: dict[str, str]) -> dict[str, str]:
        """Returns a row's cells with the columns that have to be worked out of others."""
        return cells

    def interaction(self, cells: dict[str, str], *, items: bool, users: bool) -> Interaction | None:
        """Returns what one row of the interactions says, or None where it is no interaction.

        Args:
          cells: the row, by column.
          items: whether the item's title and features stand in this row.
          users: whether the user's features stand in this row.

        Raises:
          BadRow: the row cannot be used.
        """
        columns = self.columns
        return Interaction(
            user=rows.identifier(cells[columns.user], "user"),
            item=rows.identifier(cells[columns.item], "item"),
            rating=rows.rating(cells[columns.rating]) if columns.rating else None,
            timestamp=rows.timestamp(cells[columns.timestamp]) if columns.timestamp else None,
            item_side=self.item_side(cells) if items else (),
            user_side=self.user_side(cells) if users else (),
        )

    def item_side(self, cells: dict[str, str]) -> tuple[str, ...]:
        """Returns the raw cells (title, *item features) of a row; without titles "" is first."""
        cells = self.item_cells(cells)
        title = cells[self.columns.title] if self.columns.title else ""
        return (title, *(cells[f.column] for f in self.data.item_features.values()))

    def user_side(self, cells: dict[str, str]) -> tuple[str, ...]:
        """Returns the raw cells of a row's user features."""
        cells = self.user_cells(cells)
        return tuple(cells[feature.column] for feature in self.data.user_features.values())

    @property
    def wants_items(self) -> bool:
        """Whether anything about items is to be read beside their ids."""
        return bool(self.columns.title or self.data.item_features)

    @property
    def wants_users(self) -> bool:
        """Whether anything about users is to be read beside their ids."""
        return bool(self.data.user_features)

    def check(self, work_folder: str) -> None:
        """Raises ValueError where the files cannot hold what the configuration asks for.

        Reads the first line of each file only.
        """
        base, pattern = self.locate(work_folder)
        tables = self.side_tables(base)
        wanted = {"data.columns.user": self.columns.user, "data.columns.item": self.columns.item}
        if self.columns.rating:
            wanted["data.columns.rating"] = self.columns.rating
        if self.columns.timestamp:
            wanted["data.columns.timestamp"] = self.columns.timestamp
        side = {ITEMS: self._item_keys(), USERS: self._user_keys()}
        for kind, table in tables.items():
            if side[kind]:
                id_key = "data.columns.item" if kind == ITEMS else "data.columns.user"
                keys = {id_key: table.key, **side[kind]}
                _check_table(table.path, table.layout, keys, self._derived(kind), table.config_key)
        for kind in side.keys() - tables.keys():
            wanted |= side[kind]
        derived = {name for kind in side.keys() - tables.keys() for name in self._derived(kind)}
        _check_table(os.path.join(base, pattern), self.layout, wanted, derived, "data.path")

    def _derived(self, kind: str) -> set[str]:
        return set(self.derived_columns.get(kind, ()))

    def _item_keys(self) -> dict[str, str]:
        title = {"data.columns.title": self.columns.title} if self.columns.title else {}
        return title | {
            f"data.item_features.{name}.column": feature.column for name, feature in self.data.item_features.items()
        }

    def _user_keys(self) -> dict[str, str]:
        return {
            f"data.user_features.{name}.column": feature.column for name, feature in self.data.user_features.items()
        }


def header_of(path: str, layout: Layout) -> tuple[str, ...]:
    """Returns the column names of one file; raises ValueError naming the file."""
    if layout.header is not None:
        return layout.header
    try:
        return tuple(layout.fields(files.first_line(path)))
    except BadRow as error:
        raise ValueError(f"The header line of {path} cannot be read: {error}.") from error


def _check_table(pattern: str, layout: Layout, wanted: dict[str, str], derived: set[str], config_key: str) -> None:
    paths = files.matching(pattern)
    if not paths:
        raise ValueError(f"`{config_key}` must name a file that exists. Received: {pattern!r}.")
    lines = {path: layout.first_line(path) for path in paths}
    if not any(lines.values()):
        raise ValueError(f"{paths[0]} is empty; `{config_key}` must name a file with rows in it.")
    for path, line in lines.items():
        if line:
            _check_header(path, line, layout, wanted, derived)


def _check_header(path: str, line: bytes, layout: Layout, wanted: dict[str, str], derived: set[str]) -> None:
    header = header_of(path, layout)
    if layout.header is not None:
        try:
            width = len(layout.fields(line))
        except BadRow as error:
            raise ValueError(f"The first line of {path} cannot be read: {error}.") from error
        if width != len(header):
            raise ValueError(
                f"{path} has {width} columns separated by {layout.delimiter!r} in its first line, "
                f"where {len(header)} are expected: {list(header)}. Change `data.header` or "
                "`data.delimiter` of a `csv` source, or choose the `data.source` of this format."
            )
    for key, column in wanted.items():
        if column not in header and column not in derived:
            raise ValueError(
                f"`{key}` must be a column of {path}. Received: {column!r}; the columns are "
                f"{[*header, *sorted(derived)]}{layout.separation}."
            )
        if header.count(column) > 1:
            raise ValueError(
                f"`{key}` must name one column of {path}. Received: {column!r}, which stands "
                f"{header.count(column)} times in its header {list(header)}."
            )
