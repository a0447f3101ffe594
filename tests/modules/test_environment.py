"""Settings that must stand before TensorFlow is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from modules import environment


def test_missing_settings_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment.DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    environment.apply()
    assert {name: os.environ[name] for name in environment.DEFAULTS} == environment.DEFAULTS


def test_settings_of_the_caller_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    environment.apply()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_every_python_of_the_virtual_environment_starts_with_the_settings(tmp_path: Path) -> None:
    bare = {name: value for name, value in os.environ.items() if name not in environment.DEFAULTS}
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run([sys.executable, "-c", program], env=bare, cwd=tmp_path, capture_output=True, check=True)
    started_with = json.loads(done.stdout)
    assert {name: started_with.get(name) for name in environment.DEFAULTS} == environment.DEFAULTS


def test_keras_2_is_recognised() -> None:
    environment.require_keras_2()


def test_keras_3_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.keras.Model, "__module__", "keras.src.models.model")
    with pytest.raises(RuntimeError, match="`tf.keras` must be Keras 2 .* 'keras'. Run `export TF_USE_LEGACY_KERAS=1`"):
        environment.require_keras_2()
