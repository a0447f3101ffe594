"""The points that the algorithms propose."""

import itertools
from typing import Any

import pytest

from modules.training.progress import MONITOR
from modules.tuning.config import TunerConfig
from modules.tuning.hyperparameters import to_hyperparameters, to_point
from modules.tuning.oracles import create_oracle
from modules.tuning.space import space_of
from tests.modules import tiny

SPACE = {
    "training.retriever_learning_rate": {"min": 1e-3, "max": 1e-1, "sampling": "log"},
    "model.num_negatives": {"min": 2, "max": 8, "step": 3},
    "model.ranker.hidden_units": {"values": [[4], [8, 4]]},
    "training.gradient_clip_norm": {"values": [None, 5.0]},
}


@pytest.fixture(autouse=True)
def _project_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def proposed(score: Any = lambda point: 0.5, **settings: Any) -> list[dict[str, Any]]:
    """Returns the points of a whole search whose trials score what `score` makes of them."""
    tuner = TunerConfig(**settings)
    model = tiny.make_config()
    oracle = create_oracle(tuner, to_hyperparameters(space_of(tuner, model), model))
    oracle._set_project_dir(".", "project")
    points = []
    while (trial := oracle.create_trial("tuner0")).status != "STOPPED":
        points.append(to_point(trial.hyperparameters.values))
        oracle.update_trial(trial.trial_id, {MONITOR: score(points[-1])})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return points


@pytest.mark.parametrize("algorithm", ["random", "bayesian"])
def test_points_lie_in_the_space_and_depend_on_the_seed(algorithm: str) -> None:
    settings = {"algorithm": algorithm, "max_trials": 8, "space": SPACE}
    points = proposed(**settings)
    assert len(points) == 8
    for point in points:
        assert 1e-3 <= point["training.retriever_learning_rate"] <= 1e-1
        assert point["model.num_negatives"] in (2, 5, 8)
        assert type(point["model.num_negatives"]) is int
        assert point["model.ranker.hidden_units"] in ([4], [8, 4])
        assert point["training.gradient_clip_norm"] in (None, 5.0)
    assert proposed(**settings) == points
    assert proposed(**settings, seed=18) != points


def test_bayesian_search_goes_where_the_score_is_better() -> None:
    space = {"training.weight_decay": {"min": 0, "max": 1}}
    settings = {"algorithm": "bayesian", "max_trials": 12, "space": space}
    points = proposed(lambda point: -((point["training.weight_decay"] - 0.8) ** 2), **settings)
    late = [point["training.weight_decay"] for point in points[6:]]
    assert late == pytest.approx([0.8] * 6, abs=0.1)


def test_grid_is_every_combination_in_order() -> None:
    space = {"model.num_negatives": {"min": 2, "max": 8, "step": 3}, "model.embedding_dim": {"values": [8, 4]}}
    points = [tuple(point.values()) for point in proposed(algorithm="grid", max_trials=None, space=space)]
    assert points == [(2, 8), (2, 4), (5, 8), (5, 4), (8, 8), (8, 4)]
    assert len(proposed(algorithm="grid", max_trials=4, space=space)) == 4


def test_grid_takes_ten_values_of_a_range_without_steps() -> None:
    space = {"training.retriever_learning_rate": {"min": 1e-3, "max": 1e-1, "sampling": "log"}}
    values = [p["training.retriever_learning_rate"] for p in proposed(algorithm="grid", max_trials=None, space=space)]
    assert len(values) == 10
    ratios = [later / earlier for earlier, later in itertools.pairwise(values)]
    assert ratios == pytest.approx([100**0.1] * 9)


def test_hyperband_stops_at_the_most_trials() -> None:
    settings = {"algorithm": "hyperband", "epochs": 4, "space": SPACE}
    everything = proposed(**settings, max_trials=None)
    assert proposed(**settings, max_trials=3) == everything[:3]
