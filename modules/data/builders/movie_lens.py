"""MovieLens ratings with what is known of movies and users."""

import os
from typing import ClassVar

import tensorflow_datasets as tfds

from modules.data.builders.base import InteractionsBuilder, SourceConfig, in_manual_dir
from modules.data.config import DataConfig, SideFeature

_ITEMS = {
    "year": SideFeature(column="year", kind="numeric"),
    "genres": SideFeature(column="genres", separator="|"),
}
_USERS = {name: SideFeature(column=name) for name in ("age", "gender", "occupation", "zip")}


def _config(name: str, description: str, users: bool) -> SourceConfig:
    source = "movielens-latest" if name == "latest-small" else f"movielens-{name}"
    data = DataConfig(source=source, item_features=_ITEMS, user_features=_USERS if users else {})
    return SourceConfig(name=name, description=description, data=data)


class MovieLens(InteractionsBuilder):
    """Configurations `latest-small`, `100k`, `1m` and `10m`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "Ratings with title, year and genres; 100k and 1m with their users."}
    BUILDER_CONFIGS: ClassVar = [
        _config("latest-small", "The small data set for education and development, which GroupLens may change.", False),
        _config("100k", "100,000 ratings from 1997 and 1998, whole stars.", True),
        _config("1m", "One million ratings of the year 2000 and after, whole stars.", True),
        _config("10m", "Ten million ratings until 2009, half stars.", False),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Without a network: unpack ml-<configuration>.zip of https://grouplens.org/datasets/movielens/ in manual_dir, "
        "so that it holds the folder ml-latest-small, ml-100k, ml-1m or ml-10M100K; its files may be gzipped."
    )
    DESCRIPTION = "Ratings of movies by the users of the MovieLens site, collected by GroupLens."
    HOMEPAGE = "https://grouplens.org/datasets/movielens/"
    CITATION = """
        @article{harper2015movielens,
          author = {F. Maxwell Harper and Joseph A. Konstan},
          title = {The {MovieLens} Datasets: History and Context},
          journal = {ACM Transactions on Interactive Intelligent Systems},
          volume = {5}, number = {4}, year = {2015}, doi = {10.1145/2827872}
        }"""

    def find(self, dl_manager: tfds.download.DownloadManager) -> str:
        name = self.builder_config.name
        folder = "ml-10M100K" if name == "10m" else f"ml-{name}"
        if path := in_manual_dir(dl_manager, folder):
            return path
        url = f"https://files.grouplens.org/datasets/movielens/ml-{name}.zip"
        return os.path.join(dl_manager.download_and_extract(url), folder)
