"""A table of interactions in any delimited text file, with the user's own column names."""

import os

import tensorflow as tf

from modules.data.config import DataConfig
from modules.data.reading.rows import Layout
from modules.data.sources import folder
from modules.data.sources.base import ITEMS, USERS, Source, Table

# Leaves out the markers and checksums that Spark and Hadoop put beside their parts.
_EVERY_FILE = "[!._]*"
_GLOB_CHARACTERS = frozenset("*?[")


class CsvTable(Source):
    """Described by `data`: `delimiter`, `header`, `columns`, `items_path`, `users_path`."""

    def __init__(self, data: DataConfig) -> None:
        super().__init__(data)
        self.columns = data.columns
        header = None if data.header is None else tuple(data.header)
        self.layout = Layout(delimiter=data.delimiter, header=header)

    def locate(self, work_folder: str) -> tuple[str, str]:
        path = folder.require_path(self.data)
        if tf.io.gfile.isdir(path):
            return path, _EVERY_FILE
        base, pattern = os.path.split(path)
        while _GLOB_CHARACTERS & set(base):
            base, name = os.path.split(base)
            pattern = os.path.join(name, pattern)
        return base or os.curdir, pattern

    def side_tables(self, input_base: str) -> dict[str, Table]:
        layout = Layout(delimiter=self.data.delimiter)
        tables = {}
        if self.data.items_path:
            tables[ITEMS] = Table(self.data.items_path, layout, self.columns.item, config_key="data.items_path")
        if self.data.users_path:
            tables[USERS] = Table(self.data.users_path, layout, self.columns.user, config_key="data.users_path")
        return tables
