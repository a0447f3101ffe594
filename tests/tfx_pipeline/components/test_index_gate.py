"""An export whose index finds enough is blessed; any other is refused with what was measured, and never pushed."""

import json
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from modules.export.cells import cut_into_cells
from modules.export.partitioned_index import PartitionedIndex
from modules.export.server_model import ServerModel
from tests.lookup_model import write_examples
from tests.modules.export.exports import CANDIDATES, OPTIONS, export, make_towers, random_model
from tfx_pipeline.components.index_gate import RECALL_FILE, IndexGate, check, measure
from tfx_pipeline.components.infra_blessing import BLESSED_FILE, NOT_BLESSED_FILE, read_refusal, write_blessing

USERS = [{"user_id": f"user {n % 6 + 1}", "history": [f"item {3 * n + 1}", "item 9"]} for n in range(70)]
COLD = [{"user_id": "nobody", "history": []}]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the models "good", which searches exactly, and "poor", which looks into a fifth of its cells."""
    folder = tmp_path_factory.mktemp("models")
    model = random_model()
    export(folder / "good", "exact", model)
    (folder / "good" / "exact").rename(folder / "good" / "Format-Serving")
    towers = make_towers(model)
    cells = cut_into_cells(towers.candidates.numpy()[1:], 10)
    ServerModel(towers, PartitionedIndex(towers.candidates, cells, 2), OPTIONS).save(
        str(folder / "poor/Format-Serving")
    )
    return folder


@pytest.fixture(scope="module")
def scann_export(tmp_path_factory: pytest.TempPathFactory) -> str:
    return export(tmp_path_factory.mktemp("scann"), "scann")


def test_an_exact_export_finds_everything(exports: Path) -> None:
    assert measure(str(exports / "good/Format-Serving"), USERS) == (1.0, 70, CANDIDATES)


def test_a_scann_export_is_measured_too(scann_export: str) -> None:
    recall, users, k = measure(scann_export, USERS)
    assert recall > 0.99
    assert (users, k) == (70, CANDIDATES)


def test_users_nothing_is_known_of_are_no_measure(exports: Path) -> None:
    path = str(exports / "good/Format-Serving")
    assert measure(path, USERS + COLD)[1] == 70
    with pytest.raises(ValueError, match="must hold one the model knows"):
        measure(path, COLD)


def test_what_cannot_be_measured_is_refused_and_no_crash(exports: Path, tmp_path: Path) -> None:
    for path, users in ((str(tmp_path / "nowhere"), USERS), (str(exports / "good/Format-Serving"), [])):
        assert check(path, users, 0.5, str(tmp_path)).startswith("the recall of its index cannot be measured")


def judge(tmp_path: Path, exports: Path, name: str, min_recall: float, earlier: str | None = None):
    """Runs the component's executor on artifacts and returns the blessing."""
    write_examples(tmp_path / "examples" / "Split-test", USERS)
    model, examples = standard_artifacts.Model(), standard_artifacts.Examples()
    model.uri, examples.uri = str(exports / name), str(tmp_path / "examples")
    examples.split_names = '["test"]'
    blessing = standard_artifacts.InfraBlessing()
    blessing.uri = str(tmp_path / "blessing")
    inputs = {"model": [model], "examples": [examples]}
    if earlier is not None:
        validated = standard_artifacts.InfraBlessing()
        validated.uri = str(tmp_path / "earlier")
        write_blessing(validated, earlier)
        inputs["validated"] = [validated]
    executor = IndexGate.EXECUTOR_SPEC.executor_class()
    executor.Do(inputs, {"blessing": [blessing]}, {"min_recall": min_recall, "code": ""})
    return blessing


def test_a_good_index_is_blessed(tmp_path: Path, exports: Path) -> None:
    blessing = judge(tmp_path, exports, "good", 1.0)
    assert blessing.get_int_custom_property("blessed") == 1
    assert (Path(blessing.uri) / BLESSED_FILE).exists()
    measured = json.loads((Path(blessing.uri) / RECALL_FILE).read_text())
    assert measured == {"recall": 1.0, "k": CANDIDATES, "users": 70, "min_recall": 1.0}


def test_a_poor_index_is_refused_with_the_numbers(tmp_path: Path, exports: Path) -> None:
    blessing = judge(tmp_path, exports, "poor", 0.95)
    assert blessing.get_int_custom_property("blessed") == 0
    assert (Path(blessing.uri) / NOT_BLESSED_FILE).exists()
    measured = json.loads((Path(blessing.uri) / RECALL_FILE).read_text())["recall"]
    assert 0.05 < measured < 0.95
    assert read_refusal(blessing.uri) == (
        f"its index finds {measured:.4f} of the {CANDIDATES} items that an exact search finds, over 70 users; at least "
        "0.9500 is required (`serving.min_index_recall`)"
    )


@pytest.mark.parametrize(("earlier", "blessed"), [("", 1), ("it smells", 0)])
def test_an_earlier_refusal_is_passed_on(tmp_path: Path, exports: Path, earlier: str, blessed: int) -> None:
    blessing = judge(tmp_path, exports, "good", 0.9, earlier)
    assert blessing.get_int_custom_property("blessed") == blessed
    assert read_refusal(blessing.uri) == earlier
    assert tf.io.gfile.exists(f"{blessing.uri}/{RECALL_FILE}") == bool(blessed)
