"""Lets only exports through whose index finds what an exact search finds."""

import json
import os

import numpy as np
import tensorflow as tf
from absl import logging
from tfx import v1 as tfx
from tfx.types import artifact_utils
from tfx.utils import path_utils

from modules.export.index_recall import recall
from modules.models.exact_search import exact_top_k
from tfx_pipeline.components.infra_blessing import earlier_refusal, write_blessing
from tfx_pipeline.components.serving_check import read_users

RECALL_FILE = "index_recall.json"

_BATCH = 64


@tfx.dsl.components.component
def IndexGate(
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    blessing: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    min_recall: tfx.dsl.components.Parameter[float],
    code: tfx.dsl.components.Parameter[str],
    split: tfx.dsl.components.Parameter[str] = "test",
    num_users: tfx.dsl.components.Parameter[int] = 2000,
    validated: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.InfraBlessing] = None,
) -> None:
    """Blesses an export whose first stage finds enough of the items that an exact search finds for real users.

    What was measured is written to `index_recall.json` beside the verdict; the reason of a refusal is logged and kept
    with it. A refusal does not fail the run: the checks after this one and the Pusher pass it on.

    Args:
      model: the export, portable or around a ScaNN index.
      examples: where `user_id` and `history` of real users are taken from.
      blessing: the verdict.
      min_recall: the floor, from 0 to 1.
      code: digest of the sources, so that a change of them misses the cache.
      split: of the examples.
      num_users: how many users are asked for, at most.
      validated: an earlier verdict on the same export; where it is a refusal, so is this one, and nothing is measured.
    """
    del code
    refusal = earlier_refusal(validated)
    if not refusal:
        users = read_users(artifact_utils.get_split_uri([examples], split), num_users)
        refusal = check(path_utils.serving_model_path(model.uri), users, min_recall, blessing.uri)
    write_blessing(blessing, refusal)
    if refusal:
        logging.error("%s must not be served: %s", model.uri, refusal)


def check(model_path: str, users: list[dict], min_recall: float, folder: str) -> str:
    """Measures an export, writes the result to `folder`, and returns why it must not be served, or "".

    Args:
      model_path: folder of the SavedModel.
      users: dicts of `user_id`, a string, and `history`, a list of strings.
      min_recall: the floor.
      folder: gets `index_recall.json`; made where it is missing.
    """
    try:
        found, num_users, k = measure(model_path, users)
    except (ValueError, tf.errors.OpError, OSError) as error:
        return f"the recall of its index cannot be measured: {error}"
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(os.path.join(folder, RECALL_FILE), "w") as file:
        file.write(json.dumps({"recall": found, "k": k, "users": num_users, "min_recall": min_recall}))
    if found >= min_recall:
        return ""
    return (
        f"its index finds {found:.4f} of the {k} items that an exact search finds, over {num_users} users; at least "
        f"{min_recall:.4f} is required (`serving.min_index_recall`)"
    )


def measure(model_path: str, users: list[dict]) -> tuple[float, int, int]:
    """Compares the `retrieve` signature of an export with an exact search by its own queries and candidates.

    Users the model knows nothing of are left out: their answer is a list of popular items, and no search.

    Args:
      model_path: folder of the SavedModel.
      users: dicts of `user_id`, a string, and `history`, a list of strings.

    Returns:
      The mean recall, over how many users, and of how many items.

    Raises:
      ValueError: where the model knows none of the users.
    """
    import scann  # noqa: F401  (registers the operations of a ScaNN export)

    model = tf.saved_model.load(model_path)
    towers, retrieve = model.towers, model.signatures["retrieve"]
    k = retrieve.structured_outputs["item_id"].shape[1]
    found, expected = [np.zeros([0, k], np.int64)], [np.zeros([0, k], np.int64)]
    for start in range(0, len(users), _BATCH):
        batch = users[start : start + _BATCH]
        user_id = tf.constant([user["user_id"] for user in batch])
        history = tf.ragged.constant([user["history"] for user in batch], tf.string, ragged_rank=1).to_tensor("")
        request = towers.encode(user_id, history)
        answer = towers.look_up(retrieve(user_id=user_id, history=history)["item_id"])
        exact, _ = exact_top_k(request.query, towers.candidates, request.exclude, k)
        known = ~request.cold.numpy()
        found.append(answer.numpy()[known])
        expected.append(exact.numpy()[known])
    answers = np.concatenate(expected)
    if not len(answers):
        raise ValueError("the users asked for must hold one the model knows. Received: none")
    return recall(np.concatenate(found), answers), len(answers), k
