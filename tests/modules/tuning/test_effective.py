"""What the Trainer makes of the hyper-parameters it is given."""

import json
from pathlib import Path

import pydantic
import pytest

from modules.data.config import DataConfig
from modules.export.config import ExportSizes, IndexOptions
from modules.models.config import ModelConfig
from modules.trainer import settings_digest
from modules.training.config import TrainingConfig
from modules.training.settings import TrainerSettings
from modules.tuning.config import TunerConfig
from modules.tuning.effective import CONFIGURATION_FILE, with_hyperparameters, write_configuration
from modules.tuning.hyperparameters import to_hyperparameters

SETTINGS = TrainerSettings(
    data=DataConfig(),
    model=ModelConfig(num_negatives=7),
    training=TrainingConfig(epochs=3),
    export=ExportSizes(top_k=10, evaluated_k=20, full_ranking_share=1.0),
    index=IndexOptions(),
    checkpoints="checkpoints",
    code="abc",
)
SPACE = {
    "training.gradient_clip_norm": {"values": [None, 1.0]},
    "model.ranker.hidden_units": {"values": [[8, 4], [4]]},
    "model.algorithm.residual": {"values": [False, True]},
    "model.embedding_dim": {"min": 4, "max": 8, "step": 4},
}


def test_settings_come_out_of_the_components_configuration_as_they_went_in() -> None:
    assert TrainerSettings.from_custom_config(SETTINGS.to_custom_config()) == SETTINGS


def test_without_a_tuner_the_settings_stay_as_they_are(tmp_path: Path) -> None:
    settings = with_hyperparameters(SETTINGS, None)
    assert settings == SETTINGS
    write_configuration(settings, str(tmp_path))
    written = json.loads((tmp_path / CONFIGURATION_FILE).read_text())
    assert (written["model"]["num_negatives"], written["training"]["epochs"], written["tuned"]) == (7, 3, {})


def test_values_of_every_kind_come_through_the_file_of_the_tuner() -> None:
    hyperparameters = to_hyperparameters(TunerConfig(space=SPACE).space, ModelConfig())
    # As TFX writes and reads it.
    config = json.loads(json.dumps(hyperparameters.get_config()))
    settings = with_hyperparameters(SETTINGS, config)
    model, training = settings.model, settings.training
    assert (model.embedding_dim, model.num_negatives) == (4, 7)
    assert model.ranker.options == {"hidden_units": [8, 4]}
    assert model.algorithm.options == {"residual": False}
    assert (training.gradient_clip_norm, training.epochs) == (None, 3)
    assert settings.tuned["model.ranker.hidden_units"] == [8, 4]


def test_checkpoints_and_caches_depend_on_the_point() -> None:
    digests = {
        settings_digest(with_hyperparameters(SETTINGS, hyperparameters), "data")
        for hyperparameters in (
            None,
            {"values": {"model.embedding_dim": 8}},
            {"values": {"model.embedding_dim": 16}},
            {"values": {"model.embedding_dim": 16, "tuner/epochs": 3}},
        )
    }
    assert len(digests) == 3


def test_a_value_its_setting_refuses_is_not_trained_with() -> None:
    with pytest.raises(pydantic.ValidationError, match="embedding_dim"):
        with_hyperparameters(SETTINGS, {"values": {"model.embedding_dim": 0}})
