"""A version appears whole, under a number of its own, or not at all."""

import json
from pathlib import Path

import pytest
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from tfx_pipeline.components.atomic_pusher import Executor


def _push(tmp_path: Path, *, blessed: bool = True, infra_blessed: bool = True) -> standard_artifacts.PushedModel:
    model = standard_artifacts.Model()
    model.uri = str(tmp_path / "model")
    saved_model = Path(model.uri) / "Format-Serving"
    (saved_model / "variables").mkdir(parents=True, exist_ok=True)
    (saved_model / "saved_model.pb").write_text("graph")
    (saved_model / "variables" / "variables.index").write_text("weights")
    verdict = standard_artifacts.ModelBlessing()
    verdict.set_int_custom_property("blessed", int(blessed))
    infra = standard_artifacts.InfraBlessing()
    infra.set_int_custom_property("blessed", int(infra_blessed))
    infra.set_string_custom_property("blessing_status", "INFRA_BLESSED" if infra_blessed else "INFRA_NOT_BLESSED")
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(tmp_path / "pushed")
    destination = {"filesystem": {"base_directory": str(tmp_path / "served")}}
    Executor().Do(
        {"model": [model], "model_blessing": [verdict], "infra_blessing": [infra]},
        {"pushed_model": [pushed]},
        {"push_destination": json.dumps(destination)},
    )
    return pushed


def _served(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "served"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_blessed_model_is_pushed_whole(tmp_path: Path) -> None:
    pushed = _push(tmp_path)
    (version,) = _served(tmp_path)
    assert version.name.isdigit()
    assert (version / "saved_model.pb").read_text() == "graph"
    assert (version / "variables" / "variables.index").read_text() == "weights"
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == str(version)
    assert pushed.get_string_custom_property("pushed_version") == version.name


@pytest.mark.parametrize("verdicts", [{"blessed": False}, {"infra_blessed": False}])
def test_unblessed_model_is_never_pushed(tmp_path: Path, verdicts: dict[str, bool]) -> None:
    pushed = _push(tmp_path, **verdicts)
    assert _served(tmp_path) == []
    assert pushed.get_int_custom_property("pushed") == 0


def test_pushes_within_a_second_get_numbers_of_their_own(tmp_path: Path) -> None:
    for _ in range(3):
        _push(tmp_path)
    versions = [int(version.name) for version in _served(tmp_path)]
    assert len(set(versions)) == 3


def test_number_is_above_all_earlier_ones(tmp_path: Path) -> None:
    ahead_of_the_clock = 99_999_999_999
    (tmp_path / "served" / str(ahead_of_the_clock)).mkdir(parents=True)
    _push(tmp_path)
    assert max(int(version.name) for version in _served(tmp_path)) == ahead_of_the_clock + 1


def test_failure_in_the_middle_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_file = io_utils.copy_file

    def full_disk(source: str, destination: str, overwrite: bool = False) -> None:
        if source.endswith("saved_model.pb"):
            raise OSError("No space left on device")
        copy_file(source, destination, overwrite)

    monkeypatch.setattr(io_utils, "copy_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        _push(tmp_path)
    assert _served(tmp_path) == []
