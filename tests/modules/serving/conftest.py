"""The exports that the tests of what is served share."""

from pathlib import Path

import pytest
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from tests.modules.serving import served


@pytest.fixture(scope="session")
def model() -> TwoStageModel:
    return served.counting_model()


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory, model: TwoStageModel) -> Path:
    """The folder of one SavedModel a kind of index."""
    folder = tmp_path_factory.mktemp("served")
    served.export_all(folder, model)
    return folder


@pytest.fixture(scope="session")
def loaded(exports: Path) -> dict:
    return {kind: tf.saved_model.load(str(exports / kind)) for kind in served.KINDS}


@pytest.fixture(params=served.KINDS)
def signatures(request: pytest.FixtureRequest, loaded: dict) -> dict:
    return loaded[request.param].signatures
