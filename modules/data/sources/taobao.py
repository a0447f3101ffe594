"""Taobao's UserBehavior.csv: user,item,category,behaviour,timestamp without a header (Tianchi, data set 649)."""

from typing import get_args

from modules.data.config import Columns, TaobaoBehaviour
from modules.data.reading import times
from modules.data.reading.rows import BadRow, Interaction
from modules.data.reading.table_format import TableFormat
from modules.data.sources import folder
from modules.data.sources.base import Source

FILE = "UserBehavior.csv"
_BEHAVIOURS = frozenset(get_args(TaobaoBehaviour))
_EARLIEST = 1e9


class Taobao(Source):
    """Items have a `category`; `data.behaviours` says which rows are interactions; there are no ratings.

    Times of the data set have ten digits; one of fewer digits is what is left of a row that was cut off.
    """

    other_columns = ("behaviour",)
    columns = Columns(user="user", item="item", timestamp="timestamp")
    layout = TableFormat(delimiter=",", header=["user", "item", "category", "behaviour", "timestamp"], quote="")

    def locate(self, work_folder: str) -> tuple[str, str]:
        return folder.locate_file(self.data, FILE)

    def interaction(self, cells: dict[str, str], *, items: bool, users: bool) -> Interaction | None:
        if cells["behaviour"] not in _BEHAVIOURS:
            raise BadRow("unknown behaviour")
        if times.seconds(cells["timestamp"]) < _EARLIEST:
            raise BadRow("timestamp of fewer than ten digits")
        if self.data.behaviours is not None and cells["behaviour"] not in self.data.behaviours:
            return None
        return super().interaction(cells, items=items, users=users)
