"""Taobao's user behaviour."""

from typing import ClassVar

import tensorflow_datasets as tfds

from modules.data.builders.base import InteractionsBuilder, SourceConfig, in_manual_dir
from modules.data.config import DataConfig, SideFeature, TaobaoBehaviour
from modules.data.sources.taobao import FILE


def behaviours(name: str, description: str, kept: list[TaobaoBehaviour] | None) -> SourceConfig:
    """Returns a configuration that keeps some behaviours, or all where `kept` is None."""
    items = {"category": SideFeature(column="category")}
    data = DataConfig(source="taobao", behaviours=kept, item_features=items)
    return SourceConfig(name=name, description=description, data=data)


class Taobao(InteractionsBuilder):
    """A configuration a choice of behaviours; for another one, pass `config=behaviours(...)`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "User, item, category and time of each row of the chosen behaviours."}
    BUILDER_CONFIGS: ClassVar = [
        behaviours("all", "Every behaviour.", None),
        behaviours("no-views", "What is put into the cart, marked as a favourite, or bought.", ["cart", "fav", "buy"]),
        behaviours("buy", "What is bought.", ["buy"]),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Download {FILE} from https://tianchi.aliyun.com/dataset/649 (an account is needed) and put it, plain or as "
        f"{FILE}.gz, into manual_dir."
    )
    DESCRIPTION = "Behaviour of about a million users of Taobao from 25 November to 3 December 2017."
    HOMEPAGE = "https://tianchi.aliyun.com/dataset/649"
    CITATION = """
        @inproceedings{zhu2018learning,
          author = {Han Zhu and Xiang Li and Pengye Zhang and Guozheng Li and Jie He and Han Li and Kun Gai},
          title = {Learning Tree-based Deep Model for Recommender Systems},
          booktitle = {Proceedings of the 24th ACM SIGKDD International Conference on Knowledge Discovery
            and Data Mining},
          pages = {1079--1088}, year = {2018}, doi = {10.1145/3219819.3219826}
        }"""

    def find(self, dl_manager: tfds.download.DownloadManager) -> str:
        path = in_manual_dir(dl_manager, FILE)
        if path is None:
            raise ValueError(
                f"`manual_dir` must hold {FILE} (or {FILE}.gz). {self.MANUAL_DOWNLOAD_INSTRUCTIONS} "
                "Received a folder without it."
            )
        return path
