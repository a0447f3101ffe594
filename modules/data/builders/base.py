"""What the builders have in common: a source of the pipeline, written row by row."""

import abc
import dataclasses
import os
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder

from modules.data.builders.generation import feature_names, read_examples, summary
from modules.data.config import DataConfig
from modules.data.locating import source_for
from modules.data.sources.base import Source

_ROWS_PER_SHARD = 4_000_000
_CHECKSUMS = (
    "Downloads are checked against checksums.tsv beside the builders. A file it does not list is taken as it is; "
    "`tfds.download.DownloadConfig(register_checksums=True)` records what was downloaded."
)


@dataclasses.dataclass
class SourceConfig(tfds.core.BuilderConfig):
    """A configuration of a builder: the settings of the source that reads the files; their `path` is found later."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)


class InteractionsBuilder(FileReaderBuilder, skip_registration=True):  # type: ignore[call-arg]  # an argument of TFDS
    """One split, `train`, of one example a row, in the order of the files.

    TFDS's own writers shuffle over all rows or hold a shard of them as Python objects; this one holds a row at a
    time. Ids, titles and side features are text as the files have it, times whole unix seconds. `info.metadata`
    counts the rows that were read, ignored and set aside.
    """

    DESCRIPTION: str
    HOMEPAGE: str
    CITATION: str

    @property
    def source(self) -> Source:
        """The source of the configuration, without a path."""
        return source_for(self.builder_config.data)

    @abc.abstractmethod
    def find(self, dl_manager: tfds.download.DownloadManager) -> str:
        """Returns what `data.path` of the source has to be; raises ValueError naming the file that is missing."""

    def _info(self) -> tfds.core.DatasetInfo:
        kinds = {str: tfds.features.Text(), float: np.float32, int: np.int64}
        features = {name: kinds[kind] for name, kind in feature_names(self.source).items()}
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{self.DESCRIPTION}\n\n{_CHECKSUMS}",
            features=tfds.features.FeaturesDict(features),
            homepage=self.HOMEPAGE,
            citation=self.CITATION,
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def _download_and_prepare(
        self, dl_manager: tfds.download.DownloadManager, download_config: tfds.download.DownloadConfig
    ) -> None:
        self.info.set_file_format("tfrecord")
        data = self.builder_config.data.model_copy(update={"path": self._find(dl_manager)})
        source = source_for(data)
        source.check("")
        base, pattern = source.locate("")
        facts: dict[str, Any] = {}
        # While it is prepared, the builder's folder is a temporary one, which `self.info` does not know of.
        written = self._info()
        writer = tfds.core.SequentialWriter(written, _ROWS_PER_SHARD)
        writer.initialize_splits(["train"])
        writer.add_examples({"train": read_examples(source, base, pattern, facts)})
        writer.close_all()
        self.info.set_splits(written.splits)
        # Of a data set that is built anew, the old ones are there.
        self.info.metadata.clear()
        self.info.metadata.update(summary(facts))

    def _find(self, dl_manager: tfds.download.DownloadManager) -> str:
        try:
            return self.find(dl_manager)
        except OSError as error:
            raise ValueError(
                f"`manual_dir` must hold the files of {self.name}/{self.builder_config.name}, since downloading them "
                f"failed ({error}). {self.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            ) from error


def in_manual_dir(dl_manager: tfds.download.DownloadManager, name: str) -> str | None:
    """Returns the path of a file, plain or gzipped, or of a folder in `manual_dir`, or None where it is not there."""
    try:
        folder = dl_manager.manual_dir
    except AssertionError:
        # TFDS's way to say that the folder is missing or empty.
        return None
    for candidate in (name, f"{name}.gz"):
        if (folder / candidate).exists():
            return os.fspath(folder / candidate)
    return None
