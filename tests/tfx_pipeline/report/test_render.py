"""The HTML page: it parses, says what the run did, needs no network and trusts no data."""

import html.parser
import math
import os
import re
import statistics

import pytest

from tests.tfx_pipeline import tiny_runs as tiny
from tests.tfx_pipeline.report import made_up
from tfx_pipeline.anomalies import Anomaly
from tfx_pipeline.report import collect, render, write
from tfx_pipeline.report.contents import Evaluation, Item, Metric, Step, UserExample

_VOID = {"meta", "img", "br"}


class _Page(html.parser.HTMLParser):
    """Collects the texts by section, the table rows and the images; every tag must be closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sections: dict[str, str] = {}
        self.rows: list[list[str]] = []
        self.images: list[str] = []
        self.tags: set[str] = set()
        self._open: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.add(tag)
        if tag == "img":
            self.images.append(attributes["src"])
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in _VOID:
            self._open.append((tag, attributes.get("id", "")))

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        text = " ".join(data.split())
        for _, name in self._open:
            if name:
                self.sections[name] = f"{self.sections.get(name, '')} {text}".strip()
        if text and any(tag in ("td", "th") for tag, _ in self._open):
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {text}".strip()


@pytest.fixture(scope="module")
def page() -> _Page:
    facts = collect(tiny.tiny_runs().metadata("good"), tiny.NAME, num_users=3)
    return _Page(render(facts, min_slice_users=1))


def test_the_numbers_of_the_run_are_in_the_table(page):
    rows = {row[0]: row[1:] for row in page.rows if row}
    second, third = 1 / math.log2(3), 1 / 2
    retriever, two_stage = [second] * 5 + [third], [1, 1, 1, second, second, 0]
    expected = [f"{statistics.mean(v):.4f} ± {statistics.stdev(v) / math.sqrt(6):.4f}" for v in (retriever, two_stage)]
    assert rows["NDCG@10"] == [*expected, "+0.1012 (+17 %)"]
    assert rows["Recall@4"][0] == "1.0000 ± 0.0000"
    assert rows["read"] == ["12,345"]
    assert rows["user_activity"][:3] == ["string", "6", "0"]
    assert rows["Evaluator"][0] == "run"


def test_every_section_is_there_with_its_figures(page):
    assert {"models", "slices", "training", "users", "data", "pipeline"} <= set(page.sections)
    assert page.sections["verdict"] == "Blessed and pushed"
    assert "two_stage/ndcg@10 is 0.7103; at least 0.1000 is required" in page.sections["models"]
    assert "No anomalies against the schema in test." in page.sections["data"]
    # Recall, NDCG, MRR; two features; losses and two validation metrics.
    assert len(page.images) == 3 + 2 + 3


def test_the_page_stands_alone_and_escapes_what_is_data(page):
    assert all(source.startswith("data:image/png;base64,") for source in page.images)
    assert not page.tags & {"script", "link", "iframe"}
    assert "Alien <1979>" in page.sections["users"]
    assert "<script>alert(1)</script>" in page.sections["data"]


def test_a_title_cannot_leave_its_attribute():
    hostile = Item('x" onmouseover="alert(1)', "<img src=x>")
    user = UserExample("<u>", [hostile], 1, [hostile], [hostile])
    rendered = render(made_up.facts(users=[user]))
    assert 'x" onmouseover' not in rendered
    assert "<img src=x>" not in rendered
    assert "<u>" not in rendered


def test_a_refused_model_beside_an_accepted_one():
    refused = made_up.model(name="corr_scann", servable=False, refusal="no <answer>", pushed_to=None)
    page = _Page(render(made_up.facts(models=[made_up.model(), refused])))
    assert page.sections["verdict"] == "Only corr may be served"
    assert "the serving check failed: no <answer>" in page.sections["models"]


def test_what_the_ranker_can_reach_is_told_where_the_retriever_bounds_it():
    bounded = made_up.model()
    overall = {**made_up.metrics(0.3, 0.25), "two_stage/recall@10": Metric(0.5, 0.01, 100)}
    overall["retriever/recall@10"] = Metric(0.4, 0.01, 100)
    free = made_up.model(evaluation=Evaluation(overall, [], {}, []))
    bound = "Recall@100, candidates 0.8000 what the ranker can reach at most; 0.7000 by the retriever alone"
    pages = [" ".join(render(made_up.facts(models=[model])).split()) for model in (bounded, free)]
    texts = [" ".join(re.sub("<[^>]*>", " ", page).split()) for page in pages]
    assert bound in texts[0]
    assert "what the ranker can reach" not in texts[1]


def test_small_slices_are_not_plotted():
    few = len(_Page(render(made_up.facts(), min_slice_users=101)).images)
    assert len(_Page(render(made_up.facts(), min_slice_users=10)).images) == few + 1


def test_a_run_that_stopped_before_everything():
    anomaly = Anomaly("train", "rating", "Out of range", "Saw 7.")
    facts = made_up.facts(
        models=[],
        steps=[Step("SchemaGate", "failed", 0.1)],
        anomalies={"train": [anomaly]},
        notes=["x: y"],
    )
    page = _Page(render(facts))
    assert page.sections["verdict"] == "Stopped at SchemaGate"
    assert ["train", "rating", "Out of range", "Saw 7."] in page.rows
    assert "x: y" in page.sections["notes"]
    assert not page.images


def test_a_label_with_dollars_is_no_formula():
    odd = made_up.metrics(0.1, 0.1)
    evaluation = made_up.model().evaluation
    evaluation.slices.append(type(evaluation.slices[0])("price", "$\\frac{$", odd))
    assert len(_Page(render(made_up.facts(models=[made_up.model(evaluation=evaluation)]))).images) >= 2


def test_writing_replaces_the_old_report_whole(tmp_path):
    path = tmp_path / "new" / "report.html"
    write(made_up.facts(), str(path))
    first = path.read_text()
    write(made_up.facts(pipeline="another"), str(path))
    assert "another" in path.read_text()
    assert "another" not in first
    assert os.listdir(path.parent) == ["report.html"]
