"""What is drawn, in which order, and under which caption."""

import base64
import dataclasses

import pytest

from tests.tfx_pipeline.report import made_up
from tfx_pipeline.report import plots
from tfx_pipeline.report.contents import Evaluation, Slice


def _evaluation(*values: str, users: int = 100) -> Evaluation:
    slices = [Slice("user_activity", value, made_up.metrics(0.2, 0.1, users + n)) for n, value in enumerate(values)]
    return dataclasses.replace(made_up.model().evaluation, slices=slices)


@pytest.mark.parametrize("prefix", ["val_", "valid/"])
def test_curves_hold_both_stages_in_one_figure_a_metric(prefix):
    history = [
        {"epoch": 1, "loss": 2.0, f"{prefix}two_stage_ndcg@10": 0.1},
        {
            "epoch": 2,
            "loss": 1.0,
            f"{prefix}two_stage_ndcg@10": 0.2,
            f"{prefix}retriever_ndcg@10": 0.1,
        },
    ]
    captions = [caption for caption, _ in plots.training_curves(history)]
    assert captions == ["Training losses", "Validation NDCG@10"]
    assert plots.training_curves([]) == []


def test_a_bare_validation_metric_is_the_two_stages():
    (figure,) = plots.training_curves([{"valid/recall@10": 0.5}])
    assert figure[0] == "Validation Recall@10"


def test_bands_stand_in_their_own_order_and_other_values_by_size():
    by_size = _evaluation("100+", "1-4", "20-49").slices
    assert [s.value for s in plots.in_order(by_size)] == ["1-4", "20-49", "100+"]
    others = _evaluation("Drama", "Comedy").slices
    assert [s.value for s in plots.in_order(others)] == ["Drama", "Comedy"]


def test_of_many_values_the_largest_are_drawn_and_the_caption_says_so():
    ((caption, _),) = plots.slices(_evaluation(*map(str, range(20))), min_users=1)
    assert caption == "NDCG@10 by user activity, the 12 largest of 20"


def test_figures_are_png():
    # Of recall at its one cutoff, and of NDCG.
    _, (caption, source) = plots.stages_by_cutoff(made_up.model().evaluation)
    assert caption == "NDCG by cutoff"
    assert base64.b64decode(source.split(",")[1]).startswith(b"\x89PNG")
