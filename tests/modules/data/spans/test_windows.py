"""Which spans are read: the newest there are, in their newest versions; and which are refused before anything runs."""

import logging
from pathlib import Path
from typing import Any

import pytest

from modules.data import locating
from modules.data.config import DataConfig
from modules.data.reading import files
from modules.data.spans import windows

ROWS = "user_id,item_id,timestamp\nu,i,1\nv,j,2\n"


def write(folder: Path, *names: str, text: str = ROWS) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def settings(folder: Path, path: str = "{SPAN}/v{VERSION}/*.csv", **of_spans: Any) -> DataConfig:
    return DataConfig(source="csv", path=str(folder / path), spans=of_spans)


def read(data: DataConfig) -> list[tuple[int, int | None]]:
    return [(span.number, span.version) for span in windows.window(data)]


def test_a_window_holds_the_newest_spans_in_their_newest_versions(tmp_path: Path) -> None:
    write(tmp_path, "9/v1/a.csv", "10/v1/a.csv", "10/v2/a.csv", "10/v10/a.csv", "11/v1/a.csv", "new/v1/a.csv")
    assert read(settings(tmp_path)) == [(9, 1), (10, 10), (11, 1)]
    assert read(settings(tmp_path, window=2)) == [(10, 10), (11, 1)]
    assert read(settings(tmp_path, window=9)) == [(9, 1), (10, 10), (11, 1)]


def test_a_window_can_end_with_any_span(tmp_path: Path) -> None:
    write(tmp_path, *(f"{n}/v1/a.csv" for n in range(1, 6)))
    assert read(settings(tmp_path, window=2, span=3)) == [(2, 1), (3, 1)]


def test_excluded_spans_make_room_for_older_ones(tmp_path: Path) -> None:
    write(tmp_path, *(f"{n}/v1/a.csv" for n in range(1, 6)))
    assert read(settings(tmp_path, window=3, exclude=[4])) == [(2, 1), (3, 1), (5, 1)]


def test_a_gap_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "1/v1/a.csv", "2/v1/a.csv", "5/v1/a.csv")
    with caplog.at_level(logging.INFO):
        assert read(settings(tmp_path, window=2)) == [(2, 1), (5, 1)]
    assert "Between spans 2 (version 1) and 5 (version 1) 2 are missing or left out: 3, 4" in caplog.text


def test_without_its_marker_a_version_is_not_yet_there(tmp_path: Path) -> None:
    write(tmp_path, "1/v1/a.csv", "1/v1/_SUCCESS", "2/v1/a.csv", "2/v1/_SUCCESS", "2/v2/a.csv", "3/v1/a.csv")
    data = settings(tmp_path, success_file="_SUCCESS")
    assert read(data) == [(1, 1), (2, 1)]
    write(tmp_path, "2/v2/_SUCCESS", "3/v1/_SUCCESS")
    assert read(data) == [(1, 1), (2, 2), (3, 1)]


def test_a_marker_needs_a_folder(tmp_path: Path) -> None:
    write(tmp_path, "1.csv")
    with pytest.raises(ValueError, match=r"`data.spans.success_file` must be left out unless .* has a folder"):
        windows.window(settings(tmp_path, "{SPAN}.csv", success_file="_SUCCESS"))


def test_no_span_at_all_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "7/v1/a.csv")
    with pytest.raises(
        ValueError, match=r"at least one span that is not in `data.spans.exclude` = \[7\]. .* 1 versions"
    ):
        locating.check(settings(tmp_path, exclude=[7]), "")
    with pytest.raises(ValueError, match=r"at least one span whose folder holds _SUCCESS. Received"):
        locating.check(settings(tmp_path, success_file="_SUCCESS"), "")


def test_a_span_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "1/v1/a.csv", "3/v2/a.csv")
    with pytest.raises(ValueError, match=r"Received: 2; the spans of .* are 1 \(version 1\), 3 \(version 2\)"):
        windows.window(settings(tmp_path, span=2))


def test_dated_folders_are_spans(tmp_path: Path) -> None:
    write(tmp_path, "2026/01/30/a.csv", "2026/01/31/a.csv", "2026/02/01/a.csv")
    data = settings(tmp_path, "{YYYY}/{MM}/{DD}", window=2, span="2026-01-31")
    assert [span.label for span in windows.window(data)] == ["2026-01-30", "2026-01-31"]
    locating.check(data, "")


def test_files_are_read_in_the_order_of_their_spans(tmp_path: Path) -> None:
    write(tmp_path, "9.csv", "10.csv")
    patterns = [span.path for span in windows.window(settings(tmp_path, "{SPAN}.csv"))]
    assert files.matching(patterns) == [str(tmp_path / "9.csv"), str(tmp_path / "10.csv")]


def test_the_pattern_of_all_spans_matches_the_files_in_their_folders(tmp_path: Path) -> None:
    write(tmp_path, "1/a.csv", "2/b.csv")
    base, pattern = locating.locate(settings(tmp_path, "{SPAN}"), "")
    assert files.matching(f"{base}/{pattern}") == [str(tmp_path / "1/a.csv"), str(tmp_path / "2/b.csv")]


@pytest.mark.parametrize("text", ["user_id,item_id,timestamp\n", ""])
def test_a_span_without_rows_is_refused_by_name(tmp_path: Path, text: str) -> None:
    write(tmp_path, "1/v1/a.csv")
    write(tmp_path, "2/v3/a.csv", text=text)
    with pytest.raises(
        ValueError, match=r"Span 2 \(version 3\) must have rows. Received none: .*/2/v3/a.csv. .*: \[2\]"
    ):
        locating.check(settings(tmp_path), "")


def test_a_span_whose_folder_is_empty_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "1/a.csv")
    (tmp_path / "2").mkdir()
    with pytest.raises(ValueError, match=r"Span 2 must have rows. Received none: .*/2\."):
        locating.check(settings(tmp_path, "{SPAN}"), "")


def test_a_renamed_column_is_refused_with_file_and_column(tmp_path: Path) -> None:
    write(tmp_path, "1/v1/a.csv")
    write(tmp_path, "2/v1/a.csv", text=ROWS.replace("item_id", "sku"))
    with pytest.raises(
        ValueError,
        match=r"Span 2 \(version 1\) does not have the columns .* `data.columns.item` must be a column of "
        r".*/2/v1/a.csv. Received: 'item_id'; the columns are \['user_id', 'sku', 'timestamp'\].* "
        r"None of its rows was read",
    ):
        locating.check(settings(tmp_path), "")


def test_only_the_spans_of_the_window_have_to_be_right(tmp_path: Path) -> None:
    write(tmp_path, "1/v1/a.csv", text="old,form\n1,2\n")
    write(tmp_path, "2/v1/a.csv")
    locating.check(settings(tmp_path, window=1), "")
