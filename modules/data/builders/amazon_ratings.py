"""Amazon ratings of one category."""

import os
from typing import ClassVar

import tensorflow_datasets as tfds

from modules.data.builders.base import InteractionsBuilder, SourceConfig, in_manual_dir
from modules.data.config import DataConfig

_URL = "http://snap.stanford.edu/data/amazon/productGraph/categoryFiles"


def category(name: str) -> SourceConfig:
    """Returns the configuration of a category, spelt as its file is: ratings_<name>.csv."""
    return SourceConfig(name=name, description=f"The category {name}.", data=DataConfig(source="amazon"))


class AmazonRatings(InteractionsBuilder):
    """A configuration a category; for another than those listed, pass `config=category("Books")`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "User, item, rating and time of each review."}
    BUILDER_CONFIGS: ClassVar = [
        category(name)
        for name in (
            "CDs_and_Vinyl",
            "Grocery_and_Gourmet_Food",
            "Books",
            "Electronics",
            "Movies_and_TV",
            "Video_Games",
            "Beauty",
        )
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Without a network: put ratings_<Category>.csv (or .csv.gz) into manual_dir."
    DESCRIPTION = "Ratings of products on Amazon, May 1996 to July 2014, without the text of the reviews."
    HOMEPAGE = "https://jmcauley.ucsd.edu/data/amazon/"
    CITATION = """
        @inproceedings{mcauley2015image,
          author = {Julian McAuley and Christopher Targett and Qinfeng Shi and Anton van den Hengel},
          title = {Image-Based Recommendations on Styles and Substitutes},
          booktitle = {Proceedings of the 38th International ACM SIGIR Conference},
          pages = {43--52}, year = {2015}, doi = {10.1145/2766462.2767755}
        }"""

    def find(self, dl_manager: tfds.download.DownloadManager) -> str:
        file = f"ratings_{self.builder_config.name}.csv"
        return in_manual_dir(dl_manager, file) or os.fspath(dl_manager.download(f"{_URL}/{file}"))
