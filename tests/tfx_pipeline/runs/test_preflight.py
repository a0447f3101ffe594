"""What is wrong is said before anything is computed, all of it at once."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ml_metadata.metadata_store import metadata_store
from tfx.orchestration.metadata import sqlite_metadata_connection_config

from tests.tfx_pipeline.small_table import write_config, write_table
from tfx_pipeline.config import ConfigError, PipelineConfig, load_config
from tfx_pipeline.runs import preflight as preflight_module
from tfx_pipeline.runs.preflight import PreflightError, preflight
from tfx_pipeline.runs.run_lock import RunLockError, run_lock


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., PipelineConfig]:
    table = tmp_path / "table.csv"
    write_table(table)

    def write(root: Path | str = tmp_path / "var", **overrides: dict) -> PipelineConfig:
        write_config(tmp_path / "config.yaml", table, Path(root), **overrides)
        return load_config(tmp_path / "config.yaml")

    return write


def _portable(address: str) -> dict:
    return {"runner": "portable", "portable": {"job_endpoint": address, "environment": {"type": "loopback"}}}


def _lines(config: PipelineConfig) -> list[str]:
    with pytest.raises(PreflightError) as refused:
        preflight(config)
    first, *lines = str(refused.value).splitlines()
    assert first == "The run cannot start, and nothing was computed:"
    assert all(line.startswith("- ") for line in lines)
    return [line.removeprefix("- ") for line in lines]


def _metadata(config: PipelineConfig) -> Path:
    path = Path(config.metadata_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata_store.MetadataStore(sqlite_metadata_connection_config(str(path))).get_artifacts()
    return path


def test_a_sound_configuration_passes_and_leaves_nothing_behind(configure: Callable, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    config = configure()
    preflight(config)
    assert sorted(tmp_path.rglob("*")) == sorted({*before, tmp_path / "config.yaml"})


@pytest.mark.parametrize(
    "where",
    ["", "pipelines", "pipelines/small", "metadata", "checkpoints", "serving_model/small", "report", "logs"],
)
def test_a_file_in_the_way_of_any_folder(configure: Callable, tmp_path: Path, where: str) -> None:
    file = tmp_path / "var" / where
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    (line,) = _lines(configure())
    assert line.startswith("`root` must be a folder that everything a run writes fits into. Received: root=")
    assert f"{file} is not a folder." in line


@pytest.mark.parametrize("file", ["pipelines/small.lock", "report/small.html", "metadata/small/metadata.db"])
def test_a_folder_in_the_way_of_a_file(configure: Callable, tmp_path: Path, file: str) -> None:
    (tmp_path / "var" / file).mkdir(parents=True)
    (line,) = _lines(configure())
    assert f"{tmp_path / 'var' / file} is a folder." in line


# The kernel lets nobody write there, not even root, whom permissions do not stop.
@pytest.mark.parametrize("root", ["/proc/self/var", "/sys/kernel/var"])
def test_a_root_that_cannot_be_written(configure: Callable, root: str) -> None:
    (line,) = _lines(configure(root))
    assert re.search(rf"root='{root}', and nothing can be written into {os.path.dirname(root)} \(", line)


def test_a_link_to_nowhere_is_not_a_folder(configure: Callable, tmp_path: Path) -> None:
    (tmp_path / "var").symlink_to(tmp_path / "unmounted")
    (line,) = _lines(configure())
    assert f"{tmp_path / 'var'} is not a folder." in line


def test_a_bucket_is_no_root_of_a_run_on_this_machine(configure: Callable) -> None:
    config = configure().model_copy(update={"root": "gs://bucket/var"})
    assert _lines(config)[0] == (
        "`root` must be a folder of this machine for a run on this machine. Received: root='gs://bucket/var'."
    )


def test_no_room_for_a_model_like_the_last_one(configure: Callable, tmp_path: Path) -> None:
    for version, size in (("9", 8 << 40), ("10", 1 << 10)):
        (tmp_path / "var" / "serving_model" / "small" / version).mkdir(parents=True)
        with (tmp_path / "var" / "serving_model" / "small" / version / "weights").open("wb") as file:
            file.truncate(size)
    # Nine is older than ten.
    preflight(configure())
    (tmp_path / "var" / "serving_model" / "small" / "9").rename(tmp_path / "var" / "serving_model" / "small" / "11")
    (line,) = _lines(configure())
    assert "`root` must be on a file system with room for the models." in line
    assert f"takes {2 * (8 << 20)} MiB, as an artifact and as a pushed version" in line


def test_sound_and_empty_metadata_pass_unchanged(configure: Callable) -> None:
    config = configure()
    path = _metadata(config)
    before = path.read_bytes()
    preflight(config)
    assert path.read_bytes() == before
    # What is left where the first run of all was killed as it made the file.
    path.write_bytes(b"")
    preflight(config)
    _metadata(config)


@pytest.mark.parametrize(
    "damage", [lambda content: content[: len(content) // 2], lambda content: b"no database" + content[11:]]
)
def test_damaged_metadata_are_named(configure: Callable, damage: Callable[[bytes], bytes]) -> None:
    config = configure()
    path = _metadata(config)
    path.write_bytes(damage(path.read_bytes()))
    (line,) = _lines(config)
    assert line.startswith(f"The metadata {path} cannot be read (")
    assert "Put a copy of it back, or move it away" in line


def test_metadata_that_another_program_has_locked(configure: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight_module, "_LOCK_SECONDS", 0.1)
    config = configure()
    path = _metadata(config)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    (line,) = _lines(config)
    assert line.startswith(f"The metadata {path} is locked by another program.")
    other.execute("ROLLBACK")
    other.close()
    preflight(config)


def test_an_engine_of_an_unknown_name(configure: Callable) -> None:
    with pytest.raises(ConfigError, match=r"`?beam\.runner`?.*flnk"):
        configure(beam={"runner": "flnk"})


def test_an_engine_that_nobody_answers_for(configure: Callable) -> None:
    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        address = f"localhost:{unused.getsockname()[1]}"
        (line,) = _lines(configure(beam=_portable(address)))
    assert "`beam.portable.job_endpoint`" in line
    assert address in line


def test_a_list_of_items_that_is_not_there(configure: Callable) -> None:
    (line,) = _lines(configure(serving={"lists": {"sale": "nowhere.txt"}}))
    assert line.startswith("`serving.lists.sale` must be a file of item ids, one a line. Received: 'nowhere.txt'")


def test_everything_is_said_at_once(configure: Callable, tmp_path: Path) -> None:
    config = configure(
        data={"path": str(tmp_path / "nothing.csv")},
        beam=_portable("localhost:1"),
    )
    _metadata(config).write_bytes(b"no database" * 1000)
    (tmp_path / "var" / "report").write_text("")
    report, metadata, data, engine = _lines(config)
    assert "report is not a folder" in report
    assert "metadata.db cannot be read" in metadata
    assert "nothing.csv" in data
    assert "`beam.portable.job_endpoint`" in engine


def test_another_run_is_all_there_is_to_say(configure: Callable, tmp_path: Path) -> None:
    config = configure(data={"path": str(tmp_path / "nothing.csv")})
    with run_lock(config.pipeline_root), pytest.raises(RunLockError, match=f"process {os.getpid()} on"):
        preflight(config)


def test_make_run_says_it_before_tfx_is_imported(configure: Callable, tmp_path: Path) -> None:
    configure(beam=_portable("localhost:1"))
    command = [sys.executable, "-X", "importtime", "-m", "tfx_pipeline.run", "--config", str(tmp_path / "config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "`beam.portable.job_endpoint`" in done.stderr
    assert not re.search(r"\| +tfx$", done.stderr, re.M)
    assert not (tmp_path / "var").exists()
