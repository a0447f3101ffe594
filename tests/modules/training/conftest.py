"""What the tests of training read."""

from pathlib import Path

import pytest

from tests.modules.training import runs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the training and validation examples."""
    folder = tmp_path_factory.mktemp("examples")
    runs.write_data(folder)
    return folder
