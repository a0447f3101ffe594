"""What is chosen on validation helps there, and is nothing where nothing helps."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.models.blend import Setting
from modules.training import calibration
from modules.training.calibration import calibrate
from modules.training.fit import FitResult
from modules.training.inputs import evaluation_users
from modules.training.validation import evaluate_batch, mean_over_users
from tests.modules import tiny
from tests.modules.training import runs

STAGES = {"retriever": tiny.MF, "ranker": tiny.DIN, "sampler": tiny.UNIFORM, "neighbours": 4}
STAGE_FACTORS = ((1.0, 1.0), (0.0, 1.0))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[FitResult, Path]:
    folder = tmp_path_factory.mktemp("calibration")
    runs.write_data(folder)
    return runs.run(folder, folder / "run", STAGES, epochs=1), folder


def judge(result: FitResult, folder: Path) -> float:
    users = evaluation_users([str(folder / "valid-*")], tiny.HISTORY, 8)
    values = mean_over_users(evaluate_batch(result.model, batch, 10) for batch in users)
    return values["two_stage_ndcg@10"]


def test_counts_that_know_the_circle_are_given_weight(trained: tuple[FitResult, Path]) -> None:
    result, folder = trained
    before = result.history[0]["val_two_stage_ndcg@10"]
    after = judge(result, folder)
    assert after > before + 0.1
    assert Setting(*result.model.blend.weights[-1].numpy()).neighbours > 0


def test_the_best_setting_is_that_of_a_search_one_by_one(
    trained: tuple[FitResult, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    result, folder = trained
    for name, choices in {
        "_STAGES": STAGE_FACTORS,
        "_NEIGHBOURS": (4.0,),
        "_THRESHOLDS": (0.1,),
        "_DECAYS": (0.6, 0.9),
    }.items():
        monkeypatch.setattr(calibration, name, choices)
    users = evaluation_users([str(folder / "valid-*")], tiny.HISTORY, 8)
    best = calibrate(result.model, users, 10)
    values = {}
    for factors in STAGE_FACTORS:
        for weight in ((0.0,), (4.0, 0.1, 0.6), (4.0, 0.1, 0.9)):
            setting = Setting(*factors, *weight)
            result.model.blend.choose(setting)
            values[setting] = judge(result, folder)
    assert values[best] == pytest.approx(max(values.values()), abs=1e-6)


def test_where_nothing_helps_the_trained_answer_stays(trained: tuple[FitResult, Path]) -> None:
    result, folder = trained
    users = evaluation_users([str(folder / "valid-*")], tiny.HISTORY, 8)
    # Targets that are never retrieved: every setting is worth 0.
    hopeless = users.map(
        lambda batch: batch._replace(targets=tf.fill(tf.shape(batch.targets), np.int64(runs.ITEMS + 1)))
    )
    assert calibrate(result.model, hopeless, 10) == result.model.blend.trained
