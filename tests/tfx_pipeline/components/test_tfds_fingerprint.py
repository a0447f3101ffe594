"""The ExampleGen's fingerprint follows a prepared data set of TensorFlow Datasets."""

from pathlib import Path

import tensorflow_datasets as tfds
from tfx.components.example_gen import utils
from tfx.proto import example_gen_pb2

from modules.data import builders, locating
from modules.data.config import DataConfig


def fingerprint(data: DataConfig) -> str:
    """What TFX's driver compares before it uses the cache."""
    base, pattern = locating.locate(data, "")
    splits = [example_gen_pb2.Input.Split(name="interactions", pattern=pattern)]
    return utils.calculate_splits_fingerprint_span_and_version(base, splits)[0]


def prepare(folder: Path, lines: list[str]) -> None:
    (folder / "ratings_Books.csv").write_text("".join(f"{line}\n" for line in lines))
    builder = builders.AmazonRatings(data_dir=folder / "out", config="Books")
    config = tfds.download.DownloadConfig(
        manual_dir=folder, try_download_gcs=False, download_mode=tfds.GenerateMode.REUSE_CACHE_IF_EXISTS
    )
    builder.download_and_prepare(download_config=config)


def test_the_fingerprint_follows_the_prepared_data(tmp_path: Path) -> None:
    prepare(tmp_path, ["u,i,5.0,1"])
    data = DataConfig(source="tfds", path=str(tmp_path / "out"), dataset="amazon_ratings/Books")
    before = fingerprint(data)
    assert fingerprint(data) == before
    prepare(tmp_path, ["u,i,5.0,1", "u,j,5.0,2"])
    assert fingerprint(data) != before
