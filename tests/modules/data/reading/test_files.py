"""Opening files, packed in any way or not at all, and their text."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from modules.data.reading import files
from modules.data.reading.text import encoding_of, plain_text

CONTENT = b"head,er\n" + bytes(range(32, 127)) * 40


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", content)
        archive.writestr("__MACOSX/._rows.csv", b"x")
    return packed.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zip": zipped,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda content: pa.compress(content, "zstd", asbytes=True),
}


@pytest.mark.parametrize("packed", PACKERS)
def test_what_packs_a_file_is_told_by_its_first_bytes(tmp_path: Path, packed: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(PACKERS[packed](CONTENT))
    assert files.container(str(path)) == packed
    with files.open_plain(str(path)) as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize("packed", PACKERS)
def test_what_is_cut_off_is_named(tmp_path: Path, packed: str) -> None:
    path = tmp_path / "rows.csv.packed"
    content = PACKERS[packed](CONTENT)
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(ValueError, match=rf"rows.csv.packed (ends too early|is a damaged or cut-off {packed})"):
        plain_text(str(path), "utf-8", str(tmp_path))


def test_a_zip_of_several_tables_is_refused(tmp_path: Path) -> None:
    path = f"{tmp_path}/a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(ValueError, match=r"must pack one table.*'a.csv', 'b.csv'"), files.open_plain(path):
        pass


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("\ufeffa,b".encode(), "utf-8-sig"),
        ("a,b".encode("utf-16"), "utf-16"),
        ("user,item".encode("utf-16-le"), "utf-16-le"),
        ("user,item".encode("utf-16-be"), "utf-16-be"),
        (b"caf\xe9", "utf-8"),
    ],
)
def test_the_encoding_is_told_by_the_first_bytes(content: bytes, encoding: str) -> None:
    assert encoding_of(content) == encoding


@pytest.mark.parametrize(
    ("content", "encoding", "text", "damaged"),
    [
        (b"caf\xe9,1\n", "latin-1", "café,1\n", False),
        (b"caf\xe9,1\n", "utf-8", "caf\ufffd,1\n", True),
        ("ü,1\r\n".encode("utf-16"), "utf-16", "ü,1\n", False),
        (b"a\r\nb\nc\r\n", "utf-8", "a\nb\nc\n", False),
    ],
)
def test_text_becomes_utf8_with_line_ends_of_one_kind(
    tmp_path: Path, content: bytes, encoding: str, text: str, damaged: bool
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    found = plain_text(str(path), encoding, str(tmp_path))
    assert (Path(found.path).read_bytes(), found.damaged) == (text.encode(), damaged)


def test_plain_text_is_read_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\nü,1\n", encoding="utf-8")
    assert plain_text(str(path), "utf-8", "") == (str(path), False)


def test_matching_is_sorted_and_leaves_folders_out(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "log {a}[1].csv"):
        (tmp_path / name).touch()
    (tmp_path / "c.csv").mkdir()
    found = [Path(path).name for path in files.matching(str(tmp_path / "?.csv"))]
    assert found == ["a.csv", "b.csv"]
    assert files.matching(f"{tmp_path}/log {{a}}[1].csv") == [f"{tmp_path}/log {{a}}[1].csv"]
