"""Amazon ratings of one category: ratings_<Category>.csv, user,item,rating,timestamp without a header."""

import os

import tensorflow as tf

from modules.data.config import Columns
from modules.data.reading.table_format import TableFormat
from modules.data.sources import folder
from modules.data.sources.base import Source


class AmazonRatings(Source):
    """`data.path` is the file: a folder may hold categories that do not belong together."""

    columns = Columns(user="user", item="item", rating="rating", timestamp="timestamp")
    layout = TableFormat(delimiter=",", header=["user", "item", "rating", "timestamp"], quote="")

    def locate(self, work_folder: str) -> tuple[str, str]:
        path = folder.require_path(self.data)
        if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
            raise ValueError(
                "`data.path` must be the file of one category that exists, ratings_<Category>.csv (or .csv.gz). "
                f"Received: {path!r}."
            )
        return os.path.dirname(path) or os.curdir, os.path.basename(path)
