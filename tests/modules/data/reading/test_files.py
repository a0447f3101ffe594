"""Reading files whole and by range."""

import gzip
from pathlib import Path

import pytest

from modules.data.reading import files
from modules.data.reading.files import Range

CONTENT = "\ufeffhead\r\nfirst\n\nsecond\u2028still second\r\nlast without end".encode()
LINES = [
    (0, b"head"),
    (9, b"first"),
    (16, "second\u2028still second".encode()),
    (39, b"last without end"),
]


@pytest.fixture
def plain(tmp_path: Path) -> str:
    path = tmp_path / "table.csv"
    path.write_bytes(CONTENT)
    return str(path)


def test_lines_keep_everything_but_their_ends(plain: str) -> None:
    assert list(files.read_lines(Range(0, plain, 0, None))) == LINES


def test_gzip_reads_as_the_plain_file_does(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(CONTENT))
    (part,) = files.ranges([str(path)], size=1)
    assert part.stop is None
    assert list(files.read_lines(part)) == LINES
    assert files.first_line(str(path)) == b"head"


@pytest.mark.parametrize("size", range(1, len(CONTENT) + 2))
def test_ranges_of_any_size_hold_each_line_once(plain: str, size: int) -> None:
    parts = files.ranges([plain], size=size)
    assert [line for part in parts for line in files.read_lines(part)] == LINES


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.touch()
    assert files.ranges([str(path)]) == []
    assert files.first_line(str(path)) == b""


def test_matching_is_sorted_and_leaves_folders_out(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv"):
        (tmp_path / name).touch()
    (tmp_path / "c.csv").mkdir()
    found = [Path(path).name for path in files.matching(str(tmp_path / "*.csv"))]
    assert found == ["a.csv", "b.csv"]
