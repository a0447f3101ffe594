"""Gowalla check-ins as SNAP ships them: loc-gowalla_totalCheckins.txt, separated by tabs."""

from modules.data.config import Columns
from modules.data.reading.table_format import TableFormat
from modules.data.sources import folder
from modules.data.sources.base import Source

FILE = "loc-gowalla_totalCheckins.txt"


class Gowalla(Source):
    """Items are locations, with `latitude` and `longitude`; there are no ratings."""

    columns = Columns(user="user", item="location", timestamp="time")
    layout = TableFormat(delimiter="\t", header=["user", "time", "latitude", "longitude", "location"], quote="")

    def locate(self, work_folder: str) -> tuple[str, str]:
        return folder.locate_file(self.data, FILE)
