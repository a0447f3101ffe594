"""The builders against samples of the original formats, and what the `tfds` source makes of them."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from modules.data import builders, locating
from modules.data.builders.amazon_ratings import category
from modules.data.builders.taobao import behaviours
from modules.data.config import DataConfig
from modules.data.reading.parsing import rows_of
from modules.data.reading.rows import BadRow, identifier
from modules.data.sources.tfds_records import cells_of, records_in
from tests.modules.data.beam_runs import corpus_of, run

Pack = Callable[[bytes], bytes]

RATINGS_100K = b"196\t242\t3\t881250949\n186\t302\t3\t891717742\n"
ITEMS_100K = b"242|Kolya (1996)|24-Jan-1997||http://x|" + b"|".join([b"1"] + [b"0"] * 18) + b"\n"
SAMPLES: list[tuple[str, dict[str, bytes], list[dict[str, Any]]]] = [
    (
        "movie_lens/latest-small",
        {
            "ml-latest-small/ratings.csv": b"userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,7,4.0,5\n",
            "ml-latest-small/movies.csv": b'movieId,title,genres\n31,"Minds, The (1995)",Drama|War\n',
        },
        [
            {"user_id": b"1", "item_id": b"31", "rating": 2.5, "timestamp": 1260759144}
            | {"title": b"Minds, The", "year": b"1995", "genres": b"Drama|War"},
            {"user_id": b"1", "item_id": b"7", "rating": 4.0, "timestamp": 5, "title": b"", "year": b"", "genres": b""},
        ],
    ),
    (
        "movie_lens/100k",
        {"ml-100k/u.data": RATINGS_100K, "ml-100k/u.item": ITEMS_100K, "ml-100k/u.user": b"196|49|M|writer|55105\n"},
        [
            {"user_id": b"196", "item_id": b"242", "rating": 3.0, "timestamp": 881250949}
            | {"title": b"Kolya", "year": b"1996", "genres": b"unknown"}
            | {"age": b"49", "gender": b"M", "occupation": b"writer", "zip": b"55105"},
            {
                "user_id": b"186",
                "item_id": b"302",
                "rating": 3.0,
                "timestamp": 891717742,
                "title": b"",
                "year": b"",
                "genres": b"",
            }
            | {"age": b"", "gender": b"", "occupation": b"", "zip": b""},
        ],
    ),
    (
        "movie_lens/1m",
        {
            "ml-1m/ratings.dat": b"1::1193::5::978300760\n",
            "ml-1m/movies.dat": "1193::Misérables, Les (1975)::Drama\n".encode("latin-1"),
            "ml-1m/users.dat": b"1::F::1::10::48067\n",
        },
        [
            {"user_id": b"1", "item_id": b"1193", "rating": 5.0, "timestamp": 978300760}
            | {"title": "Misérables, Les".encode(), "year": b"1975", "genres": b"Drama"}
            | {"age": b"1", "gender": b"F", "occupation": b"10", "zip": b"48067"}
        ],
    ),
    (
        "movie_lens/10m",
        {
            "ml-10M100K/ratings.dat": b"1::122::4.5::838985046\n",
            "ml-10M100K/movies.dat": "122::Misérables, Les (1995)::Drama|Musical\n".encode(),
        },
        [
            {"user_id": b"1", "item_id": b"122", "rating": 4.5, "timestamp": 838985046}
            | {"title": "Misérables, Les".encode(), "year": b"1995", "genres": b"Drama|Musical"}
        ],
    ),
    (
        "gowalla/checkins",
        {"loc-gowalla_totalCheckins.txt": b"0\t2010-10-19T23:55:27Z\t30.2359091167\t-97.7951395833\t22847\n"},
        [
            {"user_id": b"0", "item_id": b"22847", "timestamp": 1287532527}
            | {"latitude": b"30.2359091167", "longitude": b"-97.7951395833"}
        ],
    ),
    (
        "amazon_ratings/Grocery_and_Gourmet_Food",
        {"ratings_Grocery_and_Gourmet_Food.csv": b"A1YS9MDZP93857,0006428320,3.0,1394496000\n"},
        [{"user_id": b"A1YS9MDZP93857", "item_id": b"0006428320", "rating": 3.0, "timestamp": 1394496000}],
    ),
    (
        "taobao/no-views",
        {"UserBehavior.csv": b"1,22,2520377,pv,1511544070\n1,23,2520771,fav,1511561733\n"},
        [{"user_id": b"1", "item_id": b"23", "timestamp": 1511561733, "category": b"2520771"}],
    ),
]


def write(folder: Path, contents: dict[str, bytes], ending: str = "") -> None:
    pack: Pack = gzip.compress if ending else bytes
    for name, content in contents.items():
        path = folder / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack(content))


def prepare(builder: tfds.core.DatasetBuilder, manual: Path) -> tfds.core.DatasetBuilder:
    """Builds from `manual` alone."""
    config = tfds.download.DownloadConfig(manual_dir=str(manual), try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    return builder


def examples_of(builder: tfds.core.DatasetBuilder) -> list[dict[str, Any]]:
    return list(tfds.as_numpy(builder.as_dataset(split="train")))


def taobao_lines(users: int = 6, items: int = 6) -> list[str]:
    return [
        f"u{u},i{i},c{i % 3},{'pv' if i % 2 else 'buy'},{1511544000 + i}" for u in range(users) for i in range(items)
    ]


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(("name", "contents", "examples"), SAMPLES, ids=[name for name, *_ in SAMPLES])
def test_a_sample_of_the_original_format(
    tmp_path: Path, name: str, contents: dict[str, bytes], examples: list[dict[str, Any]], ending: str
) -> None:
    write(tmp_path / "manual", contents, ending)
    prepare(tfds.builder(name, data_dir=tmp_path / "out"), tmp_path / "manual")
    # Read back as anyone reads it.
    assert examples_of(tfds.builder(name, data_dir=tmp_path / "out")) == examples


class Downloads:
    """A download manager without a `manual_dir`, that downloads nothing."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    @property
    def manual_dir(self) -> Path:
        raise AssertionError("Manual directory not enabled.")

    def download(self, url: str) -> Path:
        self.urls.append(url)
        return Path("/cache") / url.rpartition("/")[2]

    download_and_extract = download


@pytest.mark.parametrize(
    ("name", "url", "found"),
    [
        (
            "movie_lens/10m",
            "https://files.grouplens.org/datasets/movielens/ml-10m.zip",
            "/cache/ml-10m.zip/ml-10M100K",
        ),
        (
            "movie_lens/latest-small",
            "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip",
            "/cache/ml-latest-small.zip/ml-latest-small",
        ),
        (
            "gowalla",
            "https://snap.stanford.edu/data/loc-gowalla_totalCheckins.txt.gz",
            "/cache/loc-gowalla_totalCheckins.txt.gz",
        ),
        (
            "amazon_ratings/Books",
            "http://snap.stanford.edu/data/amazon/productGraph/categoryFiles/ratings_Books.csv",
            "/cache/ratings_Books.csv",
        ),
    ],
)
def test_without_a_manual_dir_the_files_are_downloaded(tmp_path: Path, name: str, url: str, found: str) -> None:
    downloads = Downloads()
    assert tfds.builder(name, data_dir=tmp_path).find(downloads) == found
    assert downloads.urls == [url]


@pytest.mark.parametrize("cls", [builders.AmazonRatings, builders.Gowalla, builders.MovieLens, builders.Taobao])
def test_builders_say_what_they_are(tmp_path: Path, cls: type[tfds.core.DatasetBuilder]) -> None:
    for config in cls.BUILDER_CONFIGS:
        builder = cls(data_dir=tmp_path, config=config.name)
        assert str(builder.version) in builder.release_notes
        assert builder.info.citation.startswith("@")
        assert builder.info.homepage.startswith("https://")
        assert "register_checksums" in builder.info.description
        assert config.description


def test_checksums_are_recorded_beside_the_builders() -> None:
    urls = builders.MovieLens.url_infos
    assert {url.rpartition("/")[2] for url in urls} == {"ml-100k.zip", "ml-1m.zip", "ml-latest-small.zip"}
    assert all(len(info.checksum) == 64 for info in urls.values())


def test_a_category_that_is_not_listed(tmp_path: Path) -> None:
    write(tmp_path / "manual", {"ratings_Baby.csv": b"u,i,1.0,5\n"})
    builder = builders.AmazonRatings(data_dir=tmp_path / "out", config=category("Baby"))
    assert examples_of(prepare(builder, tmp_path / "manual"))[0]["item_id"] == b"i"


def test_what_is_set_aside_is_counted_in_the_metadata(tmp_path: Path) -> None:
    lines = [*taobao_lines(12, 12), "u0,i9,c1,pv,15"]
    write(tmp_path / "manual", {"UserBehavior.csv": "\n".join(lines).encode()}, ".gz")
    prepare(builders.Taobao(data_dir=tmp_path / "out", config="buy"), tmp_path / "manual")
    builder = builders.Taobao(data_dir=tmp_path / "out", config="buy")
    assert builder.info.splits["train"].num_examples == 72
    assert builder.info.metadata == {
        "interactions": {
            "read": 145,
            "set_aside": 1,
            "ignored": 72,
            "reasons": {"timestamp of fewer than ten digits": 1},
            "samples": [
                {
                    "reason": "timestamp of fewer than ten digits",
                    "file": "UserBehavior.csv.gz",
                    "line": len(lines),
                    "text": "u0,i9,15,pv,c1",
                }
            ],
        }
    }


def test_too_many_bad_rows_stop_the_build(tmp_path: Path) -> None:
    write(tmp_path / "manual", {"UserBehavior.csv": b"u,i,c,pv,1511544070\nu,i,c,look,1511544070\n"})
    builder = builders.Taobao(data_dir=tmp_path / "out", config="all")
    with pytest.raises(ValueError, match="1 of 2 rows .*unknown behaviour"):
        prepare(builder, tmp_path / "manual")
    assert not list((tmp_path / "out").rglob("*.tfrecord*"))


def test_no_interaction_at_all_stops_the_build(tmp_path: Path) -> None:
    write(tmp_path / "manual", {"UserBehavior.csv": b"u,i,c,pv,1511544070\n"})
    builder = builders.Taobao(data_dir=tmp_path / "out", config="buy")
    with pytest.raises(ValueError, match="must name files with interactions"):
        prepare(builder, tmp_path / "manual")


def test_unknown_behaviours_are_refused() -> None:
    with pytest.raises(ValueError, match="'pv', 'cart', 'fav' or 'buy'"):
        behaviours("views", "What is looked at.", ["view"])


@pytest.mark.parametrize("other", [None, "README.txt"])
def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path, other: str | None) -> None:
    if other:
        write(tmp_path / "manual", {other: b"x"})
    with pytest.raises(ValueError, match="`manual_dir` must hold UserBehavior.csv .*Download .*tianchi"):
        prepare(builders.Taobao(data_dir=tmp_path / "out"), tmp_path / "manual")


def test_without_a_network_the_folder_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(tfds.download.DownloadManager, "download", fail)
    message = "`manual_dir` must hold the files of gowalla/checkins.*no route to host.*loc-gowalla_totalCheckins.txt"
    with pytest.raises(ValueError, match=message):
        prepare(builders.Gowalla(data_dir=tmp_path / "out"), tmp_path / "manual")


def test_a_missing_side_table_is_named(tmp_path: Path) -> None:
    write(tmp_path / "manual", {"ml-1m/ratings.dat": b"1::1193::5::978300760\n"})
    with pytest.raises(ValueError, match="must be the folder that holds movies.dat"):
        prepare(builders.MovieLens(data_dir=tmp_path / "out", config="1m"), tmp_path / "manual")


def prepared(folder: Path, **settings: Any) -> DataConfig:
    """Prepares a data set of `taobao_lines`; returns the settings of the source that reads it."""
    write(folder / "manual", {"UserBehavior.csv": "\n".join(taobao_lines()).encode()})
    prepare(builders.Taobao(data_dir=folder / "out"), folder / "manual")
    return DataConfig(source="tfds", path=str(folder / "out"), dataset="taobao/all", **settings)


CORE = {"min_user_interactions": 3, "min_item_interactions": 3}
CATEGORY = {"item_features": {"category": {"column": "category"}}}


def test_the_tfds_source_gives_what_the_files_give(tmp_path: Path) -> None:
    data = prepared(tmp_path, **CORE, **CATEGORY)
    locating.check(data, "")
    direct = DataConfig(source="taobao", path=str(tmp_path / "manual"), **CORE, **CATEGORY)
    from_records, from_files = run(data, tmp_path / "a"), run(direct, tmp_path / "b")
    assert from_records.examples == from_files.examples
    assert len(from_records.examples["train"]) == 6
    assert from_records.report["corpus"] == from_files.report["corpus"]


def test_the_tfds_source_is_found_where_the_fingerprint_looks(tmp_path: Path) -> None:
    base, pattern = locating.locate(prepared(tmp_path), "")
    assert base == str(tmp_path / "out" / "taobao" / "all" / "1.0.0")
    assert [path.name for path in Path(base).glob(pattern)] == ["taobao-train.tfrecord-00000"]


def test_without_a_time_the_order_of_the_records_counts(tmp_path: Path) -> None:
    data = prepared(tmp_path, **CORE, columns={"timestamp": None}, order="file")
    (first, *_) = run(data, tmp_path / "a").examples["test"]
    assert first["history"] == [f"i{n}".encode() for n in range(5)]


def test_several_values_make_one_cell_and_numbers_are_ids(tmp_path: Path) -> None:
    features = tfds.features.FeaturesDict(
        {"user": np.int64, "film": tfds.features.Text(), "tags": tfds.features.Sequence(tfds.features.Text())}
    )

    class Foreign(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("2.0.0")

        def _info(self) -> tfds.core.DatasetInfo:
            return self.dataset_info_from_configs(features=features)

        def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
            return {"train": self._generate_examples(0), "test": self._generate_examples(1)}

        def _generate_examples(self, user: int) -> Any:
            for n in range(2):
                yield f"{n}", {"user": user, "film": f"f{n}", "tags": ["a", "b"][: 2 * n]}

    prepare(Foreign(data_dir=tmp_path), tmp_path)
    data = DataConfig(
        source="tfds",
        path=str(tmp_path),
        dataset="foreign:2.0.0",
        columns={"user": "user", "item": "film", "timestamp": None, "title": "tags"},
        order="file",
        min_user_interactions=1,
        min_item_interactions=1,
    )
    locating.check(data, "")
    corpus = corpus_of(data, tmp_path / "work")
    assert corpus.facts["sequences/users"] == 2
    source = locating.source_for(data)
    columns = source.columns_read(items=True, users=False)
    parts = source.convert("/".join(source.locate("")), columns, str(tmp_path / "work")).parts
    cells = [row.cells for part in parts for row in rows_of(part)]
    expected = [(str(user), f"f{n}", "a|b" if n else "") for user in range(2) for n in range(2)]
    assert sorted((row["user"], row["film"], row["tags"]) for row in cells) == expected


def test_records_come_in_order(tmp_path: Path) -> None:
    path, records = str(tmp_path / "a.tfrecord-00000"), [str(n).encode() for n in range(2500)]
    with tf.io.TFRecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    assert list(records_in(path)) == records


@pytest.mark.parametrize(("values", "text"), [([3.6], "3.6"), ([5.0], "5.0"), ([0.1, 1e-7], "0.1|1e-07")])
def test_numbers_are_read_back_as_they_were_written(values: list[float], text: str) -> None:
    # As a Python float, the stored 3.6 would fall short of a `min_rating` of 3.6.
    example = tf.train.Example()
    example.features.feature["rating"].float_list.value.extend(values)
    assert cells_of(example.SerializeToString(), ["rating"]) == [text]


def test_a_record_that_is_no_text_is_no_id() -> None:
    example = tf.train.Example()
    example.features.feature["user_id"].bytes_list.value.append(b"\xff")
    (text,) = cells_of(example.SerializeToString(), ["user_id"])
    with pytest.raises(BadRow, match="not text"):
        identifier(text, "user")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": None}, "`data.dataset` must name the prepared data set"),
        ({"dataset": "taobao/buy"}, "`data.dataset` must be a data set that is prepared.*download_and_prepare"),
        ({"columns": {"user": "who"}}, "`data.columns.user` must be a column of .*tfrecord.*'who'.*'user_id'"),
    ],
)
def test_the_tfds_source_says_what_is_wrong(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    settings = prepared(tmp_path).model_dump() | changes
    with pytest.raises(ValueError, match=message):
        locating.check(DataConfig(**settings), "")
