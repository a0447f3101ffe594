"""MovieLens 1M: ratings.dat, movies.dat and users.dat, separated by "::", in Latin-1."""

from typing import ClassVar

from modules.data.config import Columns
from modules.data.reading.table_format import TableFormat
from modules.data.sources import folder
from modules.data.sources.base import ITEMS, USERS, Source, Table
from modules.data.sources.movielens_latest import split_year


class MovieLens1m(Source):
    """The ratings, and the tables of movies and users.

    Items have `title`, `genres` (separated by "|") and `year`; users have `gender`, `age`,
    `occupation` and `zip`.
    """

    columns = Columns(user="userId", item="movieId", rating="rating", timestamp="timestamp", title="title")
    layout = TableFormat(
        delimiter="::", header=["userId", "movieId", "rating", "timestamp"], encoding="latin-1", quote=""
    )
    derived_columns: ClassVar = {ITEMS: {"year": ("title",)}}

    def locate(self, work_folder: str) -> tuple[str, str]:
        return folder.locate_in_folder(self.data, "ratings.dat")

    def side_tables(self, input_base: str) -> dict[str, Table]:
        users = self.layout.model_copy(update={"header": ["userId", "gender", "age", "occupation", "zip"]})
        return {
            ITEMS: self.movies(input_base),
            USERS: Table(folder.file_in(input_base, "users.dat"), users, "userId", "data.path"),
        }

    def movies(self, input_base: str) -> Table:
        """Returns the table of movies in the folder of the ratings."""
        layout = self.layout.model_copy(update={"header": ["movieId", "title", "genres"]})
        return Table(folder.file_in(input_base, "movies.dat"), layout, "movieId", "data.path")

    def item_cells(self, cells: dict[str, str]) -> dict[str, str]:
        return split_year(cells)
