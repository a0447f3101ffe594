"""Gowalla check-ins."""

import os
from typing import ClassVar

import tensorflow_datasets as tfds

from modules.data.builders.base import InteractionsBuilder, SourceConfig, in_manual_dir
from modules.data.config import DataConfig, SideFeature
from modules.data.sources.gowalla import FILE

_ITEMS = {name: SideFeature(column=name, kind="numeric") for name in ("latitude", "longitude")}


class Gowalla(InteractionsBuilder):
    """Check-ins with the place of the location, newest first for each user; visits are repeated."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "Every check-in with latitude and longitude."}
    BUILDER_CONFIGS: ClassVar = [
        SourceConfig(
            name="checkins", description="Every check-in.", data=DataConfig(source="gowalla", item_features=_ITEMS)
        )
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"Without a network: put {FILE} (or {FILE}.gz) of SNAP into manual_dir."
    DESCRIPTION = "Check-ins of the location-based social network Gowalla, February 2009 to October 2010."
    HOMEPAGE = "https://snap.stanford.edu/data/loc-gowalla.html"
    CITATION = """
        @inproceedings{cho2011friendship,
          author = {Eunjoon Cho and Seth A. Myers and Jure Leskovec},
          title = {Friendship and Mobility: User Movement in Location-Based Social Networks},
          booktitle = {Proceedings of the 17th ACM SIGKDD International Conference on Knowledge Discovery
            and Data Mining},
          pages = {1082--1090}, year = {2011}, doi = {10.1145/2020408.2020579}
        }"""

    def find(self, dl_manager: tfds.download.DownloadManager) -> str:
        return in_manual_dir(dl_manager, FILE) or os.fspath(
            dl_manager.download(f"https://snap.stanford.edu/data/{FILE}.gz")
        )
