"""Going back to an earlier version: on disk, in ML Metadata, and before the callers of a server."""

import contextlib
import io
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.types import artifact_utils

from tests.model_server import saved_models
from tests.model_server.server_process import serving, wait_until
from tfx_pipeline.config import PipelineConfig, load_config
from tfx_pipeline.runs.run_lock import run_lock
from tfx_pipeline.versions import rollback, version_folder
from tfx_pipeline.versions.push_history import PushHistory

NAME, SCANN = "shop", "shop_scann"


class Pipeline:
    """A pipeline's folder of pushed models, and ML Metadata as its runs would have written it."""

    def __init__(self, folder: Path, runs: int = 0) -> None:
        (folder / "config.yaml").write_text(yaml.safe_dump({"name": NAME, "root": str(folder / "var")}))
        self.config: PipelineConfig = load_config(folder / "config.yaml")
        self.config_path = str(folder / "config.yaml")
        self.served = Path(self.config.serving_model_dir)
        os.makedirs(os.path.dirname(self.config.metadata_path), exist_ok=True)
        connection = mlmd.ConnectionConfig()
        connection.sqlite.filename_uri = self.config.metadata_path
        self.store = metadata_store.MetadataStore(connection)
        self._runs = runs

    def run(self, saved_models_of: dict[str, Path], *, blessed: bool = True) -> dict[str, int]:
        """Records a run that exported each name's SavedModel; pushes it under a number of its own where blessed."""
        self._runs += 1
        contexts = [self._context("pipeline", NAME), self._context("pipeline_run", f"2026-01-0{self._runs}")]
        versions = {}
        for export, saved_model in saved_models_of.items():
            model = self._artifact("Model", {})
            self._execution("Trainer", contexts, outputs={"model": model})
            blessing = self._artifact("ModelBlessing", {"blessed": int(blessed), "current_model_id": model})
            self._execution(f"Evaluator.{export}", contexts, {"model": model}, {"blessing": blessing})
            pushed = {"pushed": int(blessed)}
            if blessed:
                with version_folder.staging(str(self.served / export)) as staged:
                    shutil.copytree(saved_model, staged)
                    versions[export] = version_folder.publish(staged, str(self.served / export), 1_000 * self._runs)
                pushed["pushed_version"] = str(versions[export])
            artifact = self._artifact("PushedModel", pushed)
            inputs = {"model": model, "model_blessing": blessing}
            self._execution(f"Pusher.{export}", contexts, inputs, {"pushed_model": artifact})
        return versions

    def latest_blessed(self, export: str) -> int | None:
        """Returns the version of the model that TFX's own resolver takes for the last blessed one."""
        blessings = {artifact.id for _, artifact in PushHistory(self.config.metadata_path, NAME)._blessings(export)}
        found = {
            key: [artifact_utils.deserialize_artifact(self.store.get_artifact_type(kind), a) for a in artifacts]
            for key, kind, artifacts in (
                ("model", "Model", self.store.get_artifacts_by_type("Model")),
                ("blessing", "ModelBlessing", self.store.get_artifacts_by_id(blessings)),
            )
        }
        resolved = LatestBlessedModelStrategy().resolve_artifacts(self.store, found)
        models = {artifact.id for artifact in resolved["model"]}
        pushes = PushHistory(self.config.metadata_path, NAME).pushes(export)
        return next((push.version for push in pushes if push.model_id in models), None)

    def versions(self, export: str = NAME) -> list[int]:
        return sorted(int(entry.name) for entry in (self.served / export).iterdir() if entry.name.isdigit())

    def answer(self, export: str = NAME) -> bytes:
        """Returns the content that tells what the highest version serves."""
        newest = self.served / export / str(self.versions(export)[-1])
        return (newest / "variables" / "variables.data-00000-of-00001").read_bytes()

    def _context(self, kind: str, name: str) -> int:
        found = self.store.get_context_by_type_and_name(kind, name)
        if found:
            return found.id
        type_id = self.store.put_context_type(mlmd.ContextType(name=kind))
        return self.store.put_contexts([mlmd.Context(type_id=type_id, name=name)])[0]

    def _artifact(self, kind: str, properties: dict[str, int | str]) -> int:
        type_id = self.store.put_artifact_type(mlmd.ArtifactType(name=kind))
        artifact = mlmd.Artifact(type_id=type_id, uri=f"/{kind}", state=mlmd.Artifact.LIVE)
        for name, value in properties.items():
            field = "int_value" if isinstance(value, int) else "string_value"
            setattr(artifact.custom_properties[name], field, value)
        return self.store.put_artifacts([artifact])[0]

    def _execution(
        self,
        node: str,
        contexts: list[int],
        inputs: dict[str, int] | None = None,
        outputs: dict[str, int] | None = None,
    ) -> None:
        type_id = self.store.put_execution_type(mlmd.ExecutionType(name=node.partition(".")[0]))
        execution = mlmd.Execution(type_id=type_id, last_known_state=mlmd.Execution.COMPLETE)
        pairs = []
        for kind, artifacts in ((mlmd.Event.INPUT, inputs or {}), (mlmd.Event.OUTPUT, outputs or {})):
            for key, artifact in artifacts.items():
                event = mlmd.Event(artifact_id=artifact, type=kind)
                event.path.steps.add().key = key
                pairs.append((self.store.get_artifacts_by_id([artifact])[0], event))
        ids = [*contexts, self._context("node", f"{NAME}.{node}")]
        self.store.put_execution(execution, pairs, self.store.get_contexts_by_id(ids))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> dict[float, Path]:
    """SavedModels that answer 0.5 x + offset, by their offset."""
    folder = tmp_path_factory.mktemp("library")
    for offset in (1.0, 2.0, 3.0, 4.0):
        saved_models.save_linear(str(folder / str(offset)), offset=offset)
    return {offset: folder / str(offset) for offset in (1.0, 2.0, 3.0, 4.0)}


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, library: dict[float, Path]) -> Path:
    """The folder of a pipeline with three pushed versions of both exports."""
    folder = tmp_path_factory.mktemp("recorded")
    pipeline = Pipeline(folder)
    for offset in (1.0, 2.0, 3.0):
        pipeline.run({NAME: library[offset], SCANN: library[offset]})
    return folder


@pytest.fixture
def three(recorded: Path, tmp_path: Path) -> Pipeline:
    """A pipeline of one's own that has pushed both exports as 1000, 2000 and 3000."""
    shutil.copytree(recorded / "var", tmp_path / "var")
    return Pipeline(tmp_path, runs=3)


def content(library: dict[float, Path], offset: float) -> bytes:
    return (library[offset] / "variables" / "variables.data-00000-of-00001").read_bytes()


def test_the_last_version_is_served_again_in_place_of_the_newest(three: Pipeline, library: dict[float, Path]) -> None:
    results = rollback.roll_back(three.config)
    for result, export in zip(results, (NAME, SCANN), strict=True):
        assert (result.export, result.restored, result.withdrawn) == (export, 2000, 3000)
        assert three.versions(export) == [1000, 2000, 3000, result.published]
        assert three.answer(export) == content(library, 2.0)
        assert three.latest_blessed(export) == 2000
        note = json.loads((three.served / export / str(result.published) / "assets.extra/rollback.json").read_text())
        assert (note["restored_version"], note["in_place_of"]) == (2000, 3000)
        assert note["by"]
        assert note["at"].endswith("+00:00")
    assert not list(three.served.rglob(".incoming-*"))
    assert not list(three.served.glob("*rollback*"))


def test_each_rollback_goes_one_model_further_back(three: Pipeline, library: dict[float, Path]) -> None:
    for expected in (2000, 1000):
        assert rollback.roll_back(three.config)[0].restored == expected
        assert three.latest_blessed(NAME) == expected
    before = three.versions()
    with pytest.raises(rollback.RollbackError, match="no version of another blessed model before 1000"):
        rollback.roll_back(three.config)
    assert three.versions() == before
    assert three.latest_blessed(NAME) == 1000


def test_a_rollback_can_be_taken_back(three: Pipeline, library: dict[float, Path]) -> None:
    rollback.roll_back(three.config, to=1000)
    assert three.latest_blessed(SCANN) == 1000
    rollback.roll_back(three.config, to=3000)
    assert three.answer() == three.answer(SCANN) == content(library, 3.0)
    assert three.latest_blessed(NAME) == three.latest_blessed(SCANN) == 3000


def test_a_number_that_a_rollback_gave_stands_for_what_it_restored(three: Pipeline, library: dict[float, Path]) -> None:
    published = rollback.roll_back(three.config, to=1000)[0].published
    rollback.roll_back(three.config, to=3000)
    assert rollback.roll_back(three.config, to=published)[0].restored == 1000
    assert three.answer() == content(library, 1.0)


def test_what_was_withdrawn_is_passed_over_after_a_later_push(three: Pipeline, library: dict[float, Path]) -> None:
    rollback.roll_back(three.config)
    pushed = three.run({NAME: library[4.0], SCANN: library[4.0]})[NAME]
    assert three.latest_blessed(NAME) == pushed
    assert rollback.roll_back(three.config)[0].restored == 2000


def test_the_same_model_pushed_again_is_not_another(pipeline: Pipeline, library: dict[float, Path]) -> None:
    for offset in (1.0, 2.0, 2.0):
        pipeline.run({NAME: library[offset]})
    assert rollback.roll_back(pipeline.config)[0].restored == 1000
    assert pipeline.latest_blessed(NAME) == 1000


def test_models_blessed_after_the_version_but_never_pushed_are_withdrawn_too(
    three: Pipeline, library: dict[float, Path]
) -> None:
    three.run({NAME: library[4.0]}, blessed=False)
    (refused,) = (
        a for a in three.store.get_artifacts_by_type("ModelBlessing") if not a.custom_properties["blessed"].int_value
    )
    rollback.roll_back(three.config, to=2000)
    rollback.roll_back(three.config, to=3000)
    # Only what a rollback took back is given back: what the Evaluator refused stays refused.
    (refused,) = three.store.get_artifacts_by_id([refused.id])
    assert refused.custom_properties["blessed"].int_value == 0
    assert three.latest_blessed(NAME) == 3000


def test_each_export_goes_back_to_what_was_served_after_that_run(
    pipeline: Pipeline, library: dict[float, Path]
) -> None:
    pipeline.run({NAME: library[1.0], SCANN: library[1.0]})
    pipeline.run({NAME: library[2.0]})
    pipeline.run({NAME: library[3.0], SCANN: library[3.0]})
    portable, scann = rollback.roll_back(pipeline.config)
    assert (portable.restored, scann.restored) == (2000, 1000)
    assert pipeline.latest_blessed(SCANN) == 1000


def test_an_export_does_not_go_back_to_what_was_withdrawn(three: Pipeline, library: dict[float, Path]) -> None:
    rollback.roll_back(three.config, to=1000)
    three.run({NAME: library[4.0]})
    three.run({NAME: library[2.0], SCANN: library[2.0]})
    portable, scann = rollback.roll_back(three.config)
    assert portable.restored == three.latest_blessed(NAME)
    assert three.answer() == content(library, 4.0)
    assert scann.restored == three.latest_blessed(SCANN) == 1000


def test_a_restored_version_that_was_deleted_is_no_hindrance(three: Pipeline, library: dict[float, Path]) -> None:
    rollback.roll_back(three.config)
    for export in (NAME, SCANN):
        shutil.rmtree(three.served / export / "2000")
    assert three.answer() == content(library, 2.0)
    assert rollback.roll_back(three.config)[0].restored == 1000


def test_an_export_that_was_not_there_yet_stays(pipeline: Pipeline, library: dict[float, Path], capsys) -> None:
    pipeline.run({NAME: library[1.0]})
    pipeline.run({NAME: library[2.0], SCANN: library[2.0]})
    assert rollback.main(["--config", pipeline.config_path]) == 0
    assert f"{SCANN}: no version goes with the one asked for; 2000 stays served." in capsys.readouterr().out
    assert pipeline.versions(SCANN) == [2000]
    assert pipeline.latest_blessed(SCANN) is None


@pytest.mark.parametrize("to", ["7", "1500"])
def test_an_unknown_version_is_refused_with_what_there_is(three: Pipeline, to: str, capsys) -> None:
    assert rollback.main(["--config", three.config_path, "--to", to]) == 2
    expected = f"`--to` must be a version that was pushed and is there still: 1000, 2000, 3000. Received: {to}."
    assert expected in capsys.readouterr().err
    assert three.versions() == three.versions(SCANN) == [1000, 2000, 3000]
    assert three.latest_blessed(NAME) == 3000


def test_a_version_whose_counterpart_is_gone_is_refused(three: Pipeline) -> None:
    shutil.rmtree(three.served / SCANN / "2000")
    with pytest.raises(
        rollback.RollbackError, match=f"Version 2000 of {SCANN}, which goes with version 2000 of {NAME}"
    ):
        rollback.roll_back(three.config)
    assert three.versions() == [1000, 2000, 3000]


def test_a_pipeline_that_has_not_run_is_named(tmp_path: Path, capsys) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"root": str(tmp_path / "var")}))
    assert rollback.main(["--config", str(tmp_path / "config.yaml")]) == 2
    assert "`root` must be that of a pipeline that has run: there is no" in capsys.readouterr().err


def test_a_bucket_is_refused_with_the_other_way(tmp_path: Path, capsys) -> None:
    values = {"root": str(tmp_path / "var"), "serving_directory": "gs://models/shop"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    assert rollback.main(["--config", str(tmp_path / "config.yaml")]) == 2
    assert "`serving_directory` must be a folder of this machine" in capsys.readouterr().err


def test_a_run_at_work_is_told_of(three: Pipeline, capsys) -> None:
    with run_lock(three.config.pipeline_root):
        assert rollback.main(["--config", three.config_path]) == 0
    assert "A run is at work, and was begun before this: what it pushes takes over." in capsys.readouterr().out


def test_the_list_tells_what_each_version_is(three: Pipeline, capsys) -> None:
    published = rollback.roll_back(three.config)[0].published
    assert rollback.main(["--config", three.config_path, "--list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{published}  served, restores 2000",
        "3000  pushed by the run of 2026-01-03, withdrawn",
        "2000  pushed by the run of 2026-01-02, blessed",
        "1000  pushed by the run of 2026-01-01, blessed",
    ]


def in_a_process_of_its_own(function: Callable[[], int]) -> tuple[int | None, str]:
    """Runs a function in a fork of this process; returns its exit code and what it said on stderr, if it lived."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def run() -> None:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            code = function()
        theirs.send(said.getvalue())
        sys.exit(code)

    process = context.Process(target=run)
    process.start()
    theirs.close()
    try:
        said = ours.recv()
    except EOFError:
        said = ""
    process.join()
    return process.exitcode, said


def test_a_full_disk_changes_nothing(three: Pipeline) -> None:
    def without_room() -> int:
        # Files that cannot grow are the closest a process comes to a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        return rollback.main(["--config", three.config_path])

    code, said = in_a_process_of_its_own(without_room)
    assert code == 1
    assert "The same command finishes it." in said
    assert three.versions() == three.versions(SCANN) == [1000, 2000, 3000]
    assert three.latest_blessed(NAME) == 3000
    assert rollback.roll_back(three.config)[0].restored == 2000


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [(version_folder, "publish", 2), (PushHistory, "withdraw_after", 1), (Path, "unlink", 1), (Path, "unlink", 2)],
    ids=["between the exports", "before ML Metadata", "after ML Metadata", "at the end"],
)
def test_a_killed_rollback_is_harmless_and_the_next_finishes_it(
    three: Pipeline, library: dict[float, Path], owner: Any, name: str, call: int
) -> None:
    def dying() -> int:
        function, calls = getattr(owner, name), []

        def die_at_the_call(*arguments: Any, **options: Any) -> Any:
            calls.append(arguments)
            if len(calls) == call:
                os._exit(77)
            return function(*arguments, **options)

        setattr(owner, name, die_at_the_call)
        return rollback.main(["--config", three.config_path])

    assert in_a_process_of_its_own(dying) == (77, "")
    # Whole versions or none, and both exports answer.
    assert three.answer() == content(library, 2.0)
    assert three.answer(SCANN) == content(library, 3.0 if name == "publish" else 2.0)
    # The next one goes where this one was going, and not one further.
    assert [result.restored for result in rollback.roll_back(three.config)] == [2000, 2000]
    assert three.answer() == three.answer(SCANN) == content(library, 2.0)
    assert three.latest_blessed(NAME) == three.latest_blessed(SCANN) == 2000
    assert not list(three.served.rglob(".incoming-*"))
    assert rollback.roll_back(three.config)[0].restored == 1000


def test_a_push_after_a_killed_rollback_makes_an_end_of_it(three: Pipeline, library: dict[float, Path]) -> None:
    plan = three.served / f".{NAME}.rollback.json"
    plan.write_text(json.dumps({"to": 1000, "in_place_of": 3000}))
    three.run({NAME: library[4.0]})
    assert rollback.roll_back(three.config)[0].restored == 3000


def test_callers_get_the_old_answers_again_and_no_error(three: Pipeline, tmp_path: Path) -> None:
    with serving(tmp_path / "log", "--model-base-path", str(three.served)) as server:
        client = server.client
        wait_until(lambda: client.states(NAME) == {3000: "AVAILABLE"} == client.states(SCANN))
        answers, stop = [], threading.Event()

        def ask(export: str) -> None:
            while not stop.is_set():
                reply = client.call(f"{export}:predict", instances=[1.0])
                answers.append((reply.status, reply.json()["predictions"]))

        threads = [threading.Thread(target=ask, args=[export]) for export in (NAME, SCANN)]
        for thread in threads:
            thread.start()
        try:
            results = rollback.roll_back(three.config)
            for result in results:
                wait_until(lambda result=result: client.states(result.export).get(result.published) == "AVAILABLE")
            wait_until(lambda: {answer for _, (answer,) in answers[-4:]} == {2.5})
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    # 0.5 * 1 + 3 before, 0.5 * 1 + 2 after.
    assert {status for status, _ in answers} == {200}
    assert {answer for _, (answer,) in answers} == {3.5, 2.5}
