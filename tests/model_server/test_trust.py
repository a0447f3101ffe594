"""SavedModels that read what is not theirs, or run what is not allowed, are refused before anything of them runs."""

import os
import pathlib
import shutil

import pytest
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from model_server.errors import Code, ServingError
from model_server.models.saved_model import load
from model_server.models.trust import check_assets, read_allowed_ops


@pytest.fixture
def model(tmp_path: pathlib.Path) -> str:
    """A model with a table that is filled from a file."""
    words = tmp_path / "words.txt"
    words.write_text("a\nb\n")

    class Words(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            lines = tf.lookup.TextFileInitializer(
                str(words),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            )
            self.table = tf.lookup.StaticHashTable(lines, -1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "x")])
        def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"y": self.table.lookup(x)}

    module = Words()
    tf.saved_model.save(module, str(tmp_path / "1"), {"serving_default": module.serve})
    return str(tmp_path / "1")


def graph_with(name: str) -> meta_graph_pb2.MetaGraphDef:
    return meta_graph_pb2.MetaGraphDef(asset_file_def=[meta_graph_pb2.AssetFileDef(filename=name)])


def refusal(path: str, **options: frozenset[str]) -> tuple[Code, str]:
    with pytest.raises(ServingError) as caught:
        load(path, **options)
    return caught.value.code, caught.value.message


def test_own_assets_are_read(model: str):
    load(model).session.close()


def test_asset_that_names_another_file_is_refused(model: str):
    file = pathlib.Path(model, "saved_model.pb")
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    saved.meta_graphs[0].asset_file_def[0].filename = "../../words.txt"
    file.write_bytes(saved.SerializeToString())
    assert refusal(model) == (
        Code.PERMISSION_DENIED,
        "Assets must be files of the SavedModel. Received: ../../words.txt",
    )


def test_asset_that_is_a_link_to_another_file_is_refused(model: str, tmp_path: pathlib.Path):
    asset = pathlib.Path(model, "assets/words.txt")
    asset.unlink()
    os.symlink(tmp_path / "words.txt", asset)
    assert refusal(model)[0] == Code.PERMISSION_DENIED


def test_version_folder_may_be_a_link(model: str, tmp_path: pathlib.Path):
    os.symlink(model, tmp_path / "2")
    load(f"{tmp_path}/2").session.close()


@pytest.mark.parametrize("name", ["/etc/passwd", "..", "../saved_model.pb", "a/../../b", ""])
def test_names_that_lead_out(name: str, tmp_path: pathlib.Path):
    with pytest.raises(ServingError, match="Assets must be files of the SavedModel"):
        check_assets(str(tmp_path), graph_with(name))


def test_assets_of_old_graphs_are_in_a_collection(tmp_path: pathlib.Path):
    graph = meta_graph_pb2.MetaGraphDef()
    packed = any_pb2.Any()
    packed.Pack(meta_graph_pb2.AssetFileDef(filename="../x"))
    graph.collection_def["saved_model_assets"].any_list.value.append(packed)
    with pytest.raises(ServingError, match=r"Received: \.\./x"):
        check_assets(str(tmp_path), graph)
    check_assets(str(tmp_path), graph_with("a/b"))


def test_ops_must_be_allowed(library: pathlib.Path, tmp_path: pathlib.Path):
    shutil.copytree(library / "half_plus_two", tmp_path / "1")
    code, message = refusal(f"{tmp_path}/1", allowed_ops=frozenset())
    assert code == Code.PERMISSION_DENIED
    needed = message.removeprefix("Ops must be in the allowed_ops_file. Received: ").split(", ")
    assert {"Mul", "AddV2", "RestoreV2"} <= set(needed)
    # Calls of the graph's own functions are no ops.
    assert not any(name.startswith("__inference") for name in needed)
    file = tmp_path / "ops.txt"
    file.write_text("# of half_plus_two\n\n" + "\n".join(needed))
    allowed = read_allowed_ops(str(file))
    assert allowed == set(needed)
    load(f"{tmp_path}/1", allowed_ops=allowed).session.close()
    assert refusal(f"{tmp_path}/1", allowed_ops=allowed - {"Mul"})[1].endswith("Received: Mul")


def test_file_of_ops_must_be_there(tmp_path: pathlib.Path):
    with pytest.raises(ValueError, match="`allowed_ops_file` must be a text file of ops. Received: "):
        read_allowed_ops(f"{tmp_path}/missing")
