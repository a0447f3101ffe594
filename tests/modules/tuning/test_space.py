"""What can be searched, and what is refused before anything runs."""

from typing import Any

import pydantic
import pytest

from modules.models.algorithms import ALGORITHMS
from modules.models.config import ModelConfig
from modules.models.rankers import RANKERS
from modules.models.retrievers import RETRIEVERS
from modules.models.retrievers.closed_form import ClosedForm
from modules.models.samplers import SAMPLERS
from modules.section import describe_errors
from modules.training.config import TrainingConfig
from modules.tuning.config import TunerConfig
from modules.tuning.space import DEFAULT_SPACE, check_space, searchable_settings, settings_at, space_of


def _refusal(**settings: Any) -> str:
    try:
        check_space(TunerConfig(**settings), ModelConfig(), TrainingConfig(), "sequential")
    except pydantic.ValidationError as error:
        return describe_errors(error)
    except ValueError as error:
        return str(error)
    raise AssertionError("the settings were taken")


@pytest.mark.parametrize(
    ("key", "searched", "expected"),
    [
        ("training.retriever_learningrate", {"values": [1]}, ["closest is 'training.retriever_learning_rate'"]),
        ("sampler.temperature", {"values": [1]}, ["'sampler.temperature'", "closest is 'model.sampler.temperature'"]),
        ("model.sampler.alpha", {"values": [1]}, ["settings of `model` or `training` that this model has"]),
        ("training.epochs", {"min": 1, "max": 9}, ["must leave out `training.epochs`", "`tuner.epochs`"]),
        ("model.candidates", {"values": [50]}, ["must leave out `model.candidates`"]),
        ("training.retriever_learning_rate", {"min": 0, "max": 1}, ["greater than 0", "Received: 0.0"]),
        ("model.uniform_share", {"min": 0.5, "max": 1}, ["`model.uniform_share`", "less than 1", "Received: 1.0"]),
        ("model.num_negatives", {"min": 1.5, "max": 3}, ["`model.num_negatives`", "valid integer", "1.5"]),
        ("model.num_negatives", {"min": 1, "max": 3, "step": 0.5}, ["`step`", "whole number", "step=0.5"]),
        ("model.algorithm.residual", {"min": 0, "max": 1}, ["`model.algorithm.residual`", "valid boolean", "0.5"]),
        ("model.*.dropout", {"values": [0.1, 1.5]}, ["`model.*.dropout`", "less than 1", "1.5"]),
        ("model.ranker.hidden_units", {"values": [["wide"]]}, ["`model.ranker.hidden_units`", "'wide'"]),
        ("model.retriever", {"values": [{"name": "sasrek"}]}, ["`model.retriever`", "'sasrec'", "'sasrek'"]),
        ("training.weight_decay", {"min": 2, "max": 1}, ["`min` must be below `max`", "min=2, max=1"]),
        ("training.weight_decay", {"min": 0, "max": 1, "sampling": "log"}, ["`min` must be above 0", "min=0"]),
        ("training.weight_decay", {"min": 1, "max": 2, "sampling": "log", "step": 1}, ["`step` must be above 1"]),
        ("training.weight_decay", {"min": 1, "max": 2, "sampling": "even"}, ["'linear' or 'log'", "'even'"]),
        ("training.weight_decay", {"min": 1}, ["`space.training.weight_decay.range.max`", "required"]),
        ("training.weight_decay", {"values": []}, ["at least 1 item"]),
        ("training.weight_decay", 0.1, ["`space.training.weight_decay", "0.1"]),
    ],
)
def test_a_wrong_space_names_key_value_and_expectation(key: str, searched: Any, expected: list[str]) -> None:
    message = _refusal(space={key: searched})
    for part in expected:
        assert part in message


def test_values_that_do_not_fit_the_task_are_refused() -> None:
    tuner = TunerConfig(space={"model.retriever": {"values": [{"name": "mf"}, {"name": "sasrec"}]}})
    model = ModelConfig(retriever={"name": "mf"}, ranker={"name": "deepfm"})
    with pytest.raises(ValueError, match=r"`model.retriever`: .*general task.*'sasrec'"):
        check_space(tuner, model, TrainingConfig(), "general")


@pytest.mark.parametrize("algorithm", ["random", "bayesian"])
def test_a_search_without_an_end_is_refused(algorithm: str) -> None:
    assert "`max_trials` must be a number" in _refusal(algorithm=algorithm, max_trials=None)


def test_numbers_without_a_dot_that_yaml_takes_for_text_are_numbers() -> None:
    (searched,) = TunerConfig(space={"training.weight_decay": {"values": ["1e-3", 0.1, 1]}}).space.values()
    assert searched.values == [1e-3, 0.1, 1]


def test_settings_survive_being_written_down() -> None:
    tuner = TunerConfig(space={"training.weight_decay": {"min": 0, "max": 1}, "model.embedding_dim": {"values": [8]}})
    assert TunerConfig.model_validate_json(tuner.model_dump_json()) == tuner


@pytest.mark.parametrize(
    "choice",
    [("retriever", name) for name in RETRIEVERS if not issubclass(RETRIEVERS[name], ClosedForm)]
    + [("ranker", name) for name in RANKERS]
    + [("sampler", name) for name in SAMPLERS]
    + [("algorithm", name) for name in ALGORITHMS if ALGORITHMS[name].LEARNS],
    ids="-".join,
)
def test_the_default_space_is_one_that_every_model_that_learns_takes(choice: tuple[str, str]) -> None:
    part, name = choice
    model = ModelConfig(**{part: {"name": name}})
    check_space(TunerConfig(), model, TrainingConfig(), "sequential")
    assert "training.retriever_learning_rate" in space_of(TunerConfig(), model)


def test_every_key_of_the_default_space_is_of_some_model() -> None:
    models = [
        ModelConfig(),
        ModelConfig(retriever={"name": "gru4rec"}, algorithm={"name": "rankflow"}),
        ModelConfig(retriever={"name": "dssm"}),
    ]
    assert set(DEFAULT_SPACE) == {key for model in models for key in space_of(TunerConfig(), model)}


def test_a_point_is_laid_over_the_settings() -> None:
    model, training = settings_at(
        {"model.*.dropout": 0.4, "model.retriever": {"name": "gru4rec", "units": 8}, "training.weight_decay": 0.1},
        ModelConfig(num_negatives=7),
        TrainingConfig(seed=3),
    )
    assert (model.num_negatives, training.seed, training.weight_decay) == (7, 3, 0.1)
    assert model.ranker.options == {"dropout": 0.4}
    assert model.retriever.options == {"units": 8}
    assert "training.seed" not in searchable_settings(model)
