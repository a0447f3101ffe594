"""Placeholders of spans in a path: what they match, and what is refused."""

import pytest

from modules.data.config import DataConfig
from modules.data.spans.config import SpansConfig
from modules.data.spans.path import Span, SpanPath


@pytest.mark.parametrize(
    ("template", "path", "span"),
    [
        ("in/{SPAN}", "in/7", Span(7, None, "in/7", "7")),
        ("in/{SPAN}/", "in/7/", Span(7, None, "in/7", "7")),
        ("in/day-{SPAN}/v{VERSION}/*.csv", "in/day-007/v2/a.csv", Span(7, 2, "in/day-007/v2/*.csv", "7 (version 2)")),
        ("in/{SPAN:3}-{VERSION:1}.csv", "in/007-2.csv", Span(7, 2, "in/007-2.csv", "7 (version 2)")),
        ("{YYYY}/{MM}/{DD}/[!._]*", "1970/02/01/part", Span(31, None, "1970/02/01/[!._]*", "1970-02-01")),
        ("c+({SPAN}).csv", "c+(3).csv", Span(3, None, "c+(3).csv", "3")),
        ("in/{YYYY}{MM}{DD}-?", "in/20260131-a", Span(20484, None, "in/20260131-?", "2026-01-31")),
    ],
)
def test_a_path_of_the_form_is_of_a_span(template: str, path: str, span: Span) -> None:
    assert SpanPath(template).parse(path) == span


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("in/{SPAN}", "in/seven"),
        ("in/{SPAN}", "in/7/8"),
        ("in/{SPAN:2}", "in/7"),
        ("in/{SPAN}/*.csv", "in/7/deeper/a.csv"),
        ("in/{SPAN}.csv", "in/7xcsv"),
        ("{YYYY}/{MM}/{DD}", "2026/02/30"),
        ("in/{SPAN}/[!._]*", "in/7/_SUCCESS"),
    ],
)
def test_other_names_are_of_no_span(template: str, path: str) -> None:
    assert SpanPath(template).parse(path) is None


@pytest.mark.parametrize(
    ("template", "glob", "base"),
    [
        ("/a/b/day-{SPAN}/*.csv", "/a/b/day-*/*.csv", "/a/b"),
        ("a/*/{SPAN}", "a/*/*", "a"),
        ("{SPAN}.csv", "*.csv", "."),
        ("/{SPAN}.csv", "/*.csv", "/"),
        ("gs://bucket/{YYYY}/{MM}/{DD}/", "gs://bucket/*/*/*", "gs://bucket"),
    ],
)
def test_all_spans_are_found_by_one_glob_below_one_folder(template: str, glob: str, base: str) -> None:
    assert SpanPath(template).glob == glob
    assert SpanPath(template).base == base


def test_the_folder_of_a_span_ends_with_its_last_placeholder() -> None:
    template = SpanPath("in/{SPAN}/v{VERSION}/part/*.csv")
    assert template.folder(template.parse("in/3/v1/part/a.csv")) == "in/3/v1"


@pytest.mark.parametrize("path", ["{SPAN}/{SPAN}", "{VERSION}", "{YYYY}/{MM}", "{SPAN}/{YYYY}/{MM}/{DD}", "{YYYY}{MM}"])
def test_placeholders_that_do_not_tell_spans_apart_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"`path` must hold {SPAN} once, or each of .* Received: '{"):
        DataConfig(source="csv", path=path)


@pytest.mark.parametrize("path", ["{SPAN:x}", "{SPAN:0}", "{SPAN:}", "{YYYY:4}{MM}{DD}"])
def test_a_width_is_a_number_of_digits(path: str) -> None:
    with pytest.raises(ValueError, match="a width, a number of digits as in"):
        DataConfig(source="csv", path=path)


def test_settings_of_spans_need_a_path_with_spans() -> None:
    with pytest.raises(ValueError, match=r"`spans` must be left out unless `path` holds .* Received: path='a.csv'"):
        DataConfig(source="csv", path="a.csv", spans={"window": 3})


@pytest.mark.parametrize("value", [31, "31", "1970-02-01"])
def test_a_date_stands_for_its_days_since_1970(value: int | str) -> None:
    spans = SpansConfig(span=value, exclude=[value])
    assert (spans.span, spans.exclude) == (31, [31])
    assert SpansConfig.model_validate_json(spans.model_dump_json()) == spans


@pytest.mark.parametrize("value", [-1, "yesterday", "1969-12-31"])
def test_what_is_no_span_is_refused(value: int | str) -> None:
    with pytest.raises(ValueError, match="span"):
        SpansConfig(span=value)
