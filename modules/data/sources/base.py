"""What a data set must tell about itself to be read."""

import abc
import dataclasses
import difflib
import functools
import os
from collections.abc import Callable, Sequence
from typing import ClassVar

from modules.data.config import Columns, DataConfig
from modules.data.reading import conversion, files, rows, times
from modules.data.reading.recognition import Recognised, recognise
from modules.data.reading.rows import Interaction
from modules.data.reading.table_format import TableFormat

ITEMS = "items"
USERS = "users"
_MOST_NAMES, _LONGEST_NAME = 30, 80


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of items or users beside the interactions: its file, and how it is written."""

    path: str
    layout: TableFormat
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
    layout: TableFormat
    """How the interactions are written."""
    derived_columns: ClassVar[dict[str, dict[str, tuple[str, ...]]]] = {}
    """Columns that `item_cells` or `user_cells` add, under "items" and "users", with those they are made of."""
    other_columns: ClassVar[tuple[str, ...]] = ()
    """Further columns that `interaction` looks at."""
    sequences: ClassVar[bool] = False
    """Whether each line of the interactions is a user and their items."""

    def __init__(self, data: DataConfig) -> None:
        self.data = data
        formats = data.timestamp_format
        self._formats = (formats,) if isinstance(formats, str) else tuple(formats or ())

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
        columns, data = self.columns, self.data
        user, item = cells[columns.user], cells[columns.item]
        if user == columns.user and item == columns.item:
            raise rows.BadRow("the header line again")
        rating = cells[columns.rating] if columns.rating else ""
        if columns.rating and not rating and data.empty_ratings == "drop":
            return None
        return Interaction(
            user=rows.identifier(user, "user"),
            item=rows.identifier(item, "item"),
            rating=self._rating(rating) if columns.rating else None,
            timestamp=self._timestamp(cells) if columns.timestamp else None,
            item_side=self.item_side(cells) if items else (),
            user_side=self.user_side(cells) if users else (),
        )

    def _rating(self, text: str) -> float | None:
        if not text and self.data.empty_ratings == "keep":
            return None
        return rows.rating(text, self.data.decimal)

    def _timestamp(self, cells: dict[str, str]) -> float:
        text = cells[self.columns.timestamp]
        if self.columns.time:
            text = f"{text} {cells[self.columns.time]}"
        return times.seconds(text, self._formats)

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

    def columns_read(self, *, items: bool, users: bool) -> list[str]:
        """Returns the columns of the interactions that `interaction` looks at.

        Args:
          items: as there.
          users: as there.
        """
        columns = self.columns
        named = (columns.user, columns.item, columns.rating, columns.timestamp, columns.time, *self.other_columns)
        sides = [*(self._side_columns(ITEMS) if items else ()), *(self._side_columns(USERS) if users else ())]
        return list(dict.fromkeys(column for column in (*named, *sides) if column))

    def side_columns_read(self, kind: str, table: Table) -> list[str]:
        """Returns the columns of a table beside the interactions that are looked at."""
        return list(dict.fromkeys([table.key, *self._side_columns(kind)]))

    def _side_columns(self, kind: str) -> list[str]:
        derived = self.derived_columns.get(kind, {})
        named = [column for column in self._keys(kind).values() if column not in derived]
        return named + [column for made_of in derived.values() for column in made_of]

    def recognise(self, path: str, wanted: Sequence[str]) -> Recognised | None:
        """Returns how a file of the interactions is written; see `modules.data.reading.recognition.recognise`."""
        return recognise(path, self.layout, wanted, self.sequences)

    def convert(self, patterns: files.Patterns, wanted: list[str], folder: str) -> conversion.Converted:
        """Returns the interactions as Parquet; see `modules.data.reading.conversion.convert`."""
        return conversion.convert(
            "interactions",
            files.matching(patterns),
            self.layout,
            wanted,
            folder,
            where=self.data.where,
            sequences=self.sequences,
        )

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
        if self.columns.time:
            wanted["data.columns.time"] = self.columns.time
        side = {kind: self._keys(kind) for kind in (ITEMS, USERS)}
        for kind, table in tables.items():
            if side[kind]:
                id_key = "data.columns.item" if kind == ITEMS else "data.columns.user"
                keys = {id_key: table.key, **side[kind]}
                of_table = functools.partial(recognise, form=table.layout)
                _check_table(table.path, of_table, keys, self._derived(kind), table.config_key)
        for kind in side.keys() - tables.keys():
            wanted |= side[kind]
        derived = {name for kind in side.keys() - tables.keys() for name in self._derived(kind)}
        _check_table(os.path.join(base, pattern), self.recognise, wanted, derived, "data.path")

    def _derived(self, kind: str) -> set[str]:
        return set(self.derived_columns.get(kind, ()))

    def _keys(self, kind: str) -> dict[str, str]:
        """Returns what is read of items or of users, by the keys of the configuration that name it."""
        if kind == USERS:
            features = self.data.user_features.items()
            return {f"data.user_features.{name}.column": feature.column for name, feature in features}
        title = {"data.columns.title": self.columns.title} if self.columns.title else {}
        return title | {
            f"data.item_features.{name}.column": feature.column for name, feature in self.data.item_features.items()
        }


def _check_table(
    pattern: str,
    recognised: Callable[..., Recognised | None],
    wanted: dict[str, str],
    derived: set[str],
    config_key: str,
) -> None:
    paths = files.matching(pattern)
    if not paths:
        raise ValueError(f"`{config_key}` must name a file that exists. Received: {pattern!r}.")
    columns = [column for column in wanted.values() if column not in derived]
    found = [recognised(path, wanted=columns) for path in paths]
    if not any(found):
        raise ValueError(f"{paths[0]} is empty; `{config_key}` must name a file with rows in it.")
    for file in filter(None, found):
        _check_columns(file, wanted, derived)


def _check_columns(file: Recognised, wanted: dict[str, str], derived: set[str]) -> None:
    if not file.skip and file.rows and len(file.rows[0]) not in (len(file.columns), file.width):
        raise ValueError(
            f"{file.path} has {len(file.rows[0])} columns separated by {file.delimiter!r} in its first line, "
            f"where {len(file.columns)} are expected: {list(file.columns)}. Change `data.header` or "
            "`data.delimiter` of a `csv` source, or choose the `data.source` of this format."
        )
    for key, column in wanted.items():
        if column not in file.columns and column not in derived:
            raise ValueError(
                f"`{key}` must be a column of {file.path}. Received: {column!r}; the columns are "
                f"{_listed([*file.columns, *sorted(derived)])}{file.separation}.{_hint(file, column)}"
            )
        if file.columns.count(column) > 1:
            raise ValueError(
                f"`{key}` must name one column of {file.path}. Received: {column!r}, which stands "
                f"{file.columns.count(column)} times in its header {_listed(file.columns)}."
            )


def _listed(columns: Sequence[str]) -> str:
    """Returns a list of names, of a wide table the first of them."""
    shown = [column[:_LONGEST_NAME] for column in columns[:_MOST_NAMES]]
    more = len(columns) - len(shown)
    return f"{shown} and {more} more" if more else str(shown)


def _hint(file: Recognised, column: str) -> str:
    close = [name for name in file.columns if name.strip().lower() == column.strip().lower()]
    close = close or difflib.get_close_matches(column, file.columns, 1, 0.8)
    if close:
        return f" Is {close[0]!r} meant?"
    if len(file.columns) > _MOST_NAMES:
        return " A matrix of users and items is not read: write a row an interaction."
    return ""
