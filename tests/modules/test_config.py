"""Every mistake in the models' and the training's settings is answered with key, value and expectation."""

from typing import Any

import pydantic
import pytest

from modules.data.config import DataConfig
from modules.export.config import ServingConfig
from modules.metrics.config import EvaluationConfig
from modules.models.config import Choice, ModelConfig
from modules.section import Section, describe_errors
from modules.training.config import TrainingConfig


def complaint(section: type[Section], **values: Any) -> str:
    """Returns what the user is told of wrong `values`."""
    with pytest.raises(pydantic.ValidationError) as refused:
        section(**values)
    return describe_errors(refused.value)


@pytest.mark.parametrize(
    ("section", "values", "expected"),
    [
        (ModelConfig, {"embeding_dim": 3}, "`embeding_dim`: is not a known key. Received: 3."),
        (TrainingConfig, {"lr": 0.1}, "`lr`: is not a known key. Received: 0.1."),
        (ModelConfig, {"embedding_dim": "wide"}, "`embedding_dim`: Input should be a valid integer"),
        (TrainingConfig, {"epochs": 1.5}, "`epochs`: Input should be a valid integer"),
        (ServingConfig, {"scann": "perhaps"}, "`scann`: Input should be a valid boolean"),
        (
            ServingConfig,
            {"index": "tree"},
            "`index`: Input should be 'auto', 'exact' or 'partitioned'. Received: 'tree'.",
        ),
        (ServingConfig, {"min_index_recall": 1.5}, "`min_index_recall`: Input should be less than or equal to 1."),
        (ServingConfig, {"lists": {"Sale": "a"}}, "of ['and', 'not', 'or']. Received: 'Sale'."),
        (ServingConfig, {"rules": {"not": "a"}}, "of ['and', 'not', 'or']. Received: 'not'."),
        (
            ServingConfig,
            {"lists": {"a": "x"}, "rules": {"a": "b"}},
            "`lists` and `rules` must have different names. Received twice: ['a'].",
        ),
        (
            DataConfig,
            {"user_features": {"town": {"column": "town", "in_model": False}}},
            "`user_features` must be in the model. Received: in_model=false for ['town'].",
        ),
        (
            ModelConfig,
            {"num_negatives": 0},
            "`num_negatives`: Input should be greater than or equal to 1. Received: 0.",
        ),
        (ModelConfig, {"candidates": 0}, "`candidates` must be a positive integer or 'all'. Received: 0."),
        (ModelConfig, {"candidates": "most"}, "`candidates` must be a positive integer or 'all'. Received: 'most'."),
        (ModelConfig, {"uniform_share": 1.0}, "`uniform_share`: Input should be less than 1. Received: 1.0."),
        (TrainingConfig, {"batch_size": -1}, "`batch_size`: Input should be greater than or equal to 1. Received: -1."),
        (
            TrainingConfig,
            {"ranker_learning_rate": 0},
            "`ranker_learning_rate`: Input should be greater than 0. Received: 0.",
        ),
        (EvaluationConfig, {"min_ndcg": 2}, "`min_ndcg`: Input should be less than or equal to 1. Received: 2."),
        (EvaluationConfig, {"cutoffs": [5, 0]}, "`cutoffs` must be positive integers. Received: [5, 0]."),
        (ModelConfig, {"retriever": {"blocks": 2}}, "`retriever.name`: Field required."),
    ],
)
def test_a_mistake_is_named_with_its_value_and_what_was_expected(
    section: type[Section], values: dict[str, Any], expected: str
) -> None:
    assert expected in complaint(section, **values)


@pytest.mark.parametrize(
    ("stage", "known"), [("retriever", "sasrec"), ("ranker", "din"), ("sampler", "midx"), ("algorithm", "corr")]
)
def test_an_unknown_component_is_answered_with_the_known_ones(stage: str, known: str) -> None:
    told = complaint(ModelConfig, **{stage: {"name": "nope"}})
    assert f"`{stage}.name` must be one of [" in told
    assert f"'{known}'" in told
    assert "Received: 'nope'" in told


@pytest.mark.parametrize(
    ("stage", "name", "option", "value", "expected"),
    [
        ("retriever", "sasrec", "layers", 2, "is not a known key"),
        ("retriever", "mf", "blocks", 2, "is not a known key"),
        ("ranker", "din", "dropout", 1.0, "Input should be less than 1"),
        ("sampler", "midx", "temperature", 0, "Input should be greater than 0"),
        ("algorithm", "corr", "kl_weight", "much", "Input should be a valid number"),
        ("algorithm", "independent", "loss", "hinge", "Input should be 'sampled_softmax' or 'binary_cross_entropy'"),
    ],
)
def test_a_components_own_options_are_checked_where_it_is_chosen(
    stage: str, name: str, option: str, value: Any, expected: str
) -> None:
    told = complaint(ModelConfig, **{stage: {"name": name, option: value}})
    for part in (f"`{stage}` ({name})", f"`{option}`", expected, f"Received: {value!r}"):
        assert part in told


def test_every_mistake_has_a_line() -> None:
    told = complaint(TrainingConfig, epochs=0, batch_size=0, lr=1)
    assert [line.split(":")[0] for line in told.splitlines()] == ["`epochs`", "`batch_size`", "`lr`"]


def test_settings_cannot_be_changed_once_checked() -> None:
    with pytest.raises(pydantic.ValidationError):
        TrainingConfig().epochs = 3


def test_defaults_are_valid_and_survive_json() -> None:
    for section in (ModelConfig, TrainingConfig, EvaluationConfig, ServingConfig):
        assert section.model_validate_json(section().model_dump_json()) == section()
    chosen = ModelConfig(retriever={"name": "sasrec", "blocks": 3})
    again = ModelConfig.model_validate_json(chosen.model_dump_json())
    assert again.retriever.options == {"blocks": 3}


def test_a_component_keeps_its_options_beside_its_name() -> None:
    assert Choice(name="midx", codewords=8).options == {"codewords": 8}
    assert Choice(name="midx").options == {}


@pytest.mark.parametrize(("candidates", "expected"), [(30, 30), ("all", 1234)])
def test_all_candidates_are_as_many_as_the_corpus_has(candidates: int | str, expected: int) -> None:
    config = ModelConfig(candidates=candidates)
    assert config.candidates == candidates
    assert config.candidate_count(1234) == expected
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


def test_ten_is_always_among_the_cutoffs() -> None:
    assert EvaluationConfig(cutoffs=[20, 5, 20]).cutoffs == [5, 10, 20]
