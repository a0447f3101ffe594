"""A table of interactions in any delimited text file, with the user's own column names."""

import os

import tensorflow as tf

from modules.data.config import Columns, DataConfig
from modules.data.reading.table_format import TableFormat
from modules.data.sources import folder
from modules.data.sources.base import ITEMS, USERS, Source, Table

# Leaves out the markers and checksums that Spark and Hadoop put beside their parts.
_EVERY_FILE = "[!._]*"
_GLOB_CHARACTERS = frozenset("*?[")


class CsvTable(Source):
    """Described by `data`: its format, `columns`, and the tables of items and users."""

    def __init__(self, data: DataConfig) -> None:
        super().__init__(data)
        self.columns = data.columns
        self.layout = TableFormat(**{name: getattr(data, name) for name in TableFormat.model_fields})

    def locate(self, work_folder: str) -> tuple[str, str]:
        path = folder.require_path(self.data)
        if tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path):
            return os.path.dirname(path) or os.curdir, os.path.basename(path)
        if tf.io.gfile.isdir(path):
            return path, _EVERY_FILE
        base, pattern = os.path.split(path)
        while _GLOB_CHARACTERS & set(base):
            base, name = os.path.split(base)
            pattern = os.path.join(name, pattern)
        return base or os.curdir, pattern

    def side_tables(self, input_base: str) -> dict[str, Table]:
        keys = {ITEMS: self.columns.item, USERS: self.columns.user}
        named = {ITEMS: (self.data.items, self.data.items_path), USERS: (self.data.users, self.data.users_path)}
        tables = {}
        for kind, (table, path) in named.items():
            if table is not None:
                tables[kind] = Table(table.path, table, table.key or keys[kind], config_key=f"data.{kind}.path")
            elif path:
                form = TableFormat(delimiter=self.data.delimiter, encoding=self.data.encoding)
                tables[kind] = Table(path, form, keys[kind], config_key=f"data.{kind}_path")
        return tables


class ParquetTable(CsvTable):
    """Parquet wherever it lies, which the workers read where it lies."""

    def __init__(self, data: DataConfig) -> None:
        super().__init__(data)
        self.layout = TableFormat(format="parquet")


class Sequences(CsvTable):
    """A line a user: the user, then the items in the order of time."""

    sequences = True

    def __init__(self, data: DataConfig) -> None:
        super().__init__(data)
        self.columns = Columns(user="user_id", item="item_id", timestamp="position")
