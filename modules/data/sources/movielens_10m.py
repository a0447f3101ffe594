"""MovieLens 10M: ratings.dat and movies.dat as in MovieLens 1M, in UTF-8, with half stars and without users."""

from modules.data.sources.base import ITEMS, Table
from modules.data.sources.movielens_1m import MovieLens1m


class MovieLens10m(MovieLens1m):
    """Items have `title`, `genres` (separated by "|") and `year`; nothing is known of users."""

    layout = MovieLens1m.layout.model_copy(update={"encoding": "utf-8"})

    def side_tables(self, input_base: str) -> dict[str, Table]:
        return {ITEMS: self.movies(input_base)}
