"""The serving contract, asked of SavedModels that were loaded again."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.export.scann_export import export_scann
from modules.export.server_model import ServerModel
from modules.models.algorithms.base import TwoStageModel
from modules.models.context import Context
from modules.models.exact_search import exact_top_k
from tests.modules.export.exports import CANDIDATES, ITEMS, OPTIONS, export, make_index, make_towers, random_model

HISTORIES = [[3, 7, 11], [150, 2, 2, 9, 60, 61], [], [1]]
USER_ID = tf.constant(["user 1", "user 2", "nobody", "user 6"])
KINDS = ["exact", "partitioned", "int8", "scann"]
LAST = tf.float32.min


def names(rows: list[list[int]]) -> tf.Tensor:
    """Returns item ids as strings, padded with ""."""
    return tf.ragged.constant([[f"item {n}" for n in row] for row in rows], tf.string, ragged_rank=1).to_tensor("")


HISTORY = names(HISTORIES)
NOTHING = tf.zeros([4, 0], tf.string)


@pytest.fixture(scope="module")
def model() -> TwoStageModel:
    return random_model()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, model: TwoStageModel) -> Path:
    """Holds one export a kind of index; ScaNN's is made from the partitioned one, as in the pipeline."""
    folder = tmp_path_factory.mktemp("exports")
    for kind in ("exact", "partitioned", "int8"):
        export(folder, kind, model)
    export_scann(str(folder / "partitioned"), str(folder / "scann"), OPTIONS)
    return folder


@pytest.fixture(scope="module")
def loaded(folder: Path) -> dict:
    return {kind: tf.saved_model.load(str(folder / kind)) for kind in KINDS}


@pytest.fixture(params=KINDS)
def signatures(request: pytest.FixtureRequest, loaded: dict) -> dict:
    return loaded[request.param].signatures


def two_stages(model: TwoStageModel, histories: list[list[int]], k: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ids and scores of the Keras model itself: exact first stage, then the second."""
    rows = np.zeros([len(histories), 5], np.int64)
    exclude = np.zeros([len(histories), 6], np.int64)
    for row, seen, history in zip(rows, exclude, histories, strict=True):
        latest = history[-5:]
        row[len(row) - len(latest) :] = latest
        seen[: len(history)] = history
    context = Context(tf.constant([1, 2, 0, 6][: len(rows)], tf.int64), tf.constant(rows), tf.constant(exclude))
    retrieved, _ = model.retrieve(context, CANDIDATES)
    scores, columns = tf.math.top_k(model.rank(context, retrieved), k)
    return tf.gather(retrieved, columns, batch_dims=1).numpy(), scores.numpy()


def test_every_export_answers_as_the_keras_model(signatures: dict, model: TwoStageModel) -> None:
    warm = [0, 1, 3]
    answer = signatures["serving_default"](user_id=USER_ID, history=HISTORY)
    ids, scores = two_stages(model, HISTORIES, 10)
    expected = [[f"item {n}".encode() for n in ids[row]] for row in warm]
    np.testing.assert_array_equal(answer["item_id"].numpy()[warm], expected)
    np.testing.assert_allclose(answer["score"].numpy()[warm], scores[warm], rtol=1e-4, atol=1e-4)


def test_recommend_without_wishes_is_the_default_answer(signatures: dict) -> None:
    default = signatures["serving_default"](user_id=USER_ID, history=HISTORY)
    answer = signatures["recommend"](user_id=USER_ID, history=HISTORY, exclude=NOTHING, k=tf.constant(10))
    np.testing.assert_array_equal(answer["item_id"], default["item_id"])
    np.testing.assert_allclose(answer["score"], default["score"], rtol=1e-5)


def test_what_is_excluded_gives_way_and_nothing_comes_twice(signatures: dict) -> None:
    first = signatures["recommend"](user_id=USER_ID, history=HISTORY, exclude=NOTHING, k=tf.constant(CANDIDATES))
    gone = tf.concat([first["item_id"][:, :7], tf.fill([4, 1], "never heard of"), tf.fill([4, 1], "")], axis=1)
    answer = signatures["recommend"](user_id=USER_ID, history=HISTORY, exclude=gone, k=tf.constant(CANDIDATES))
    for row in range(4):
        items = list(answer["item_id"].numpy()[row])
        assert len(set(items)) == CANDIDATES
        assert b"" not in items
        assert not set(items) & set(gone.numpy()[row])
        assert not set(items) & set(HISTORY.numpy()[row])
    assert np.all(np.diff(answer["score"].numpy(), axis=1) <= 0)


def test_each_row_may_ask_for_its_own_number(signatures: dict) -> None:
    answer = signatures["recommend"](user_id=USER_ID, history=HISTORY, exclude=NOTHING, k=tf.constant([1, 4, 2, 3]))
    whole = signatures["recommend"](user_id=USER_ID, history=HISTORY, exclude=NOTHING, k=tf.constant(4))
    assert answer["item_id"].shape == (4, 4)
    for row, wanted in enumerate([1, 4, 2, 3]):
        np.testing.assert_array_equal(answer["item_id"][row, :wanted], whole["item_id"][row, :wanted])
        assert np.all(answer["item_id"].numpy()[row, wanted:] == b"")
        assert np.all(answer["score"].numpy()[row, wanted:] == LAST)


@pytest.mark.parametrize("k", [0, -1, CANDIDATES + 1, 2**31 - 1])
def test_a_number_that_cannot_be_had_is_the_callers_error(signatures: dict, k: int) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"`k` must be from 1 to {CANDIDATES}. Received:.*{k}"):
        signatures["recommend"](user_id=USER_ID, history=HISTORY, exclude=NOTHING, k=tf.constant(k))


def test_more_numbers_than_rows_are_the_callers_error(signatures: dict) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="`k` must be one number, or one each row"):
        signatures["recommend"](user_id=USER_ID, history=HISTORY, exclude=NOTHING, k=tf.constant([1, 2, 3]))


def test_no_rows_are_no_answers(signatures: dict) -> None:
    nobody = {"user_id": tf.zeros([0], tf.string), "history": tf.zeros([0, 0], tf.string)}
    assert signatures["serving_default"](**nobody)["item_id"].shape == (0, 10)
    for k in (tf.constant(3), tf.zeros([0], tf.int32)):
        answer = signatures["recommend"](**nobody, exclude=tf.zeros([0, 2], tf.string), k=k)
        assert answer["item_id"].shape[0] == 0


def test_a_corpus_that_is_exhausted_ends_in_padding(signatures: dict) -> None:
    seen = names([[*range(1, ITEMS - 3)]])
    answer = signatures["recommend"](
        user_id=tf.constant(["user 1"]), history=seen, exclude=names([[ITEMS]]), k=tf.constant(10)
    )
    left = {f"item {n}".encode() for n in range(ITEMS - 3, ITEMS)}
    assert set(answer["item_id"].numpy()[0, :3]) == left
    assert np.all(answer["item_id"].numpy()[0, 3:] == b"")
    assert np.all(answer["score"].numpy()[0, 3:] == LAST)


def test_a_context_is_encoded_once_and_all_candidates_in_one_pass(
    model: TwoStageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counting(name: str, original: Callable) -> Callable:
        def counted(*arguments, **options):
            calls.append(name)
            return original(*arguments, **options)

        return counted

    for stage, method in ((model.retriever, "query"), (model.ranker, "encode"), (model.ranker, "score")):
        monkeypatch.setattr(stage, method, counting(method, getattr(stage, method)))
    towers = make_towers(model)
    server = ServerModel(towers, make_index("partitioned", towers.candidates), OPTIONS)
    calls.clear()
    server.serve.get_concrete_function(tf.TensorSpec([None], tf.string), tf.TensorSpec([None, None], tf.string))
    assert sorted(calls) == ["encode", "query", "score"]


def test_a_request_and_the_index_agree_on_the_query(loaded: dict) -> None:
    """What the index gate relies on: the saved towers tell the query and the candidates."""
    export = loaded["scann"]
    request = export.towers.encode(USER_ID, HISTORY)
    ids, _ = exact_top_k(request.query, export.towers.candidates, request.exclude, CANDIDATES)
    retrieved = export.signatures["retrieve"](user_id=USER_ID, history=HISTORY)["item_id"]
    np.testing.assert_array_equal(export.towers.look_up(retrieved).numpy()[:2], ids.numpy()[:2])


_FRESH_PROCESS = """
import json, sys
sys.modules["scann"] = None
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry
path = sys.argv[1]
saved = saved_model_pb2.SavedModel.FromString(open(path + "/saved_model.pb", "rb").read())
graph = saved.meta_graphs[0].graph_def
functions = {function.signature.name for function in graph.library.function}
nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
used = {node.op for node in nodes} - functions
unknown = sorted(op for op in used if op_def_registry.get(op) is None)
answer = tf.saved_model.load(path).signatures["serving_default"](
    user_id=tf.constant(["user 1"]), history=tf.constant([["item 3"]]))
print(json.dumps({"operations": sorted(used), "unknown": unknown, "functions": len(functions),
    "items": [item.decode() for item in answer["item_id"].numpy()[0]],
    "operation_libraries": sorted({name.split(".")[0] for name in sys.modules if sys.modules[name]} &
        {"scann", "struct2tensor", "tensorflow_recommenders", "tensorflow_text", "tfx_bsl"})}))
"""


@pytest.mark.parametrize("kind", ["partitioned", "int8"])
def test_a_portable_export_loads_where_only_tensorflows_operations_are(folder: Path, loaded: dict, kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", _FRESH_PROCESS, str(folder / kind)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["unknown"] == []
    assert report["operation_libraries"] == []
    # The walk went through the functions: what searches is there.
    assert {"TopKV2", "RaggedRange", "ResourceGather", "While"} <= {
        op.removeprefix("Stateless") for op in report["operations"]
    }
    here = loaded[kind].signatures["serving_default"](
        user_id=tf.constant(["user 1"]), history=tf.constant([["item 3"]])
    )
    assert report["items"] == [item.decode() for item in here["item_id"].numpy()[0]]


def test_the_scann_export_needs_scanns_operations(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", _FRESH_PROCESS, str(folder / "scann")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode != 0
    assert "Scann>" in done.stderr
