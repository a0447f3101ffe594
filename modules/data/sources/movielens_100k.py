"""MovieLens 100k: u.data (tabs), u.item and u.user (separated by "|"), in Latin-1."""

from typing import ClassVar

from modules.data.config import Columns
from modules.data.reading.table_format import TableFormat
from modules.data.sources import folder
from modules.data.sources.base import ITEMS, USERS, Source, Table
from modules.data.sources.movielens_latest import split_year

# The order of the flags in u.item, which u.genre gives.
GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)


def _layout(delimiter: str, *header: str) -> TableFormat:
    return TableFormat(delimiter=delimiter, header=list(header), encoding="latin-1", quote="")


class MovieLens100k(Source):
    """The ratings, and the tables of movies and users.

    Items have `title`, `year` and `genres` (separated by "|"); users have `age`, `gender`,
    `occupation` and `zip`.
    """

    columns = Columns(user="userId", item="movieId", rating="rating", timestamp="timestamp", title="title")
    layout = _layout("\t", "userId", "movieId", "rating", "timestamp")
    derived_columns: ClassVar = {ITEMS: {"year": ("title",), "genres": GENRES}}

    def locate(self, work_folder: str) -> tuple[str, str]:
        return folder.locate_in_folder(self.data, "u.data")

    def side_tables(self, input_base: str) -> dict[str, Table]:
        items = _layout("|", "movieId", "title", "release", "video_release", "url", *GENRES)
        users = _layout("|", "userId", "age", "gender", "occupation", "zip")
        return {
            ITEMS: Table(folder.file_in(input_base, "u.item"), items, "movieId", "data.path"),
            USERS: Table(folder.file_in(input_base, "u.user"), users, "userId", "data.path"),
        }

    def item_cells(self, cells: dict[str, str]) -> dict[str, str]:
        genres = "|".join(genre for genre in GENRES if cells[genre] == "1")
        return {**split_year(cells), "genres": genres}
