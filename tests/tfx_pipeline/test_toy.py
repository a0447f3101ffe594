"""A first try with a toy: fewer items than the first stage hands on, than the negatives drawn, and than ScaNN needs."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from tests.tfx_pipeline.small_table import write_config

_ITEMS = 12


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the models a run has pushed."""
    folder = tmp_path_factory.mktemp("toy")
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["who", "what", "when", "kind"])
        for user in range(30):
            for step in range(8):
                writer.writerow([f"u{user}", f"i{(user + step) % _ITEMS}", 1_600_000_000 + 60 * step, "toy"])
    model = {"candidates": 100, "num_negatives": 20, "sampler": {"name": "midx"}}
    write_config(folder / "config.yaml", folder / "table.csv", folder / "var", model=model, training={"epochs": 1})
    command = [sys.executable, "-m", "tfx_pipeline.run", "--config", str(folder / "config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "var" / "serving_model"


@pytest.mark.parametrize("name", ["small", "small_scann"])
def test_a_toy_runs_through_to_a_pushed_model(served: Path, name: str) -> None:
    (version,) = (served / name).iterdir()
    recommend = tf.saved_model.load(str(version)).signatures["serving_default"]
    answer = recommend(user_id=tf.constant(["u0"]), history=tf.constant([["i0", "i1"]]))["item_id"].numpy()[0]
    assert sorted(answer) == sorted(f"i{item}".encode() for item in range(2, _ITEMS))
