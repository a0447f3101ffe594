"""MovieLens latest (small and full) as GroupLens ships it: ratings.csv and movies.csv."""

import re
from typing import ClassVar

from modules.data.config import Columns
from modules.data.reading.table_format import TableFormat
from modules.data.sources import folder
from modules.data.sources.base import ITEMS, Source, Table

_TITLE_WITH_YEAR = re.compile(r"(?P<title>.*?)\s*\((?P<year>\d{4})\)\s*")


def split_year(cells: dict[str, str]) -> dict[str, str]:
    """Returns the cells with the "(1995)" at the end of `title` moved to a column `year`."""
    match = _TITLE_WITH_YEAR.fullmatch(cells["title"])
    if match is None:
        return {**cells, "year": ""}
    return {**cells, "title": match["title"], "year": match["year"]}


class MovieLensLatest(Source):
    """Items have `title`, `genres` (separated by "|") and `year`."""

    columns = Columns(user="userId", item="movieId", rating="rating", timestamp="timestamp", title="title")
    layout = TableFormat(delimiter=",", quote='"')
    derived_columns: ClassVar = {ITEMS: {"year": ("title",)}}

    def locate(self, work_folder: str) -> tuple[str, str]:
        return folder.locate_in_folder(self.data, "ratings.csv")

    def side_tables(self, input_base: str) -> dict[str, Table]:
        movies = folder.file_in(input_base, "movies.csv")
        return {ITEMS: Table(movies, self.layout, key="movieId", config_key="data.path")}

    def item_cells(self, cells: dict[str, str]) -> dict[str, str]:
        return split_year(cells)
