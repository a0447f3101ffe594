"""Lets only models through to the Pusher that answer real requests in a process of their own."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import tensorflow as tf
from absl import logging
from tfx import v1 as tfx
from tfx.types import artifact_utils
from tfx.utils import path_utils

from tfx_pipeline.components import warmup_requests
from tfx_pipeline.components.infra_blessing import earlier_refusal, write_blessing

_PROBE = Path(__file__).with_name("serving_probe.py")


@tfx.dsl.components.component
def ServingCheck(
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    blessing: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    allow_scann: tfx.dsl.components.Parameter[bool] = False,
    split: tfx.dsl.components.Parameter[str] = "test",
    num_examples: tfx.dsl.components.Parameter[int] = 64,
    timeout_seconds: tfx.dsl.components.Parameter[int] = 600,
    warmup_users: tfx.dsl.components.Parameter[int] = 32,
    validated: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.InfraBlessing] = None,
) -> None:
    """Blesses a model that answers users, known and unknown, as promised.

    Runs everywhere; TFX's InfraValidator, which needs Docker or Kubernetes, goes before it where it
    can, and the IndexGate. The SavedModel is loaded in a fresh process without this project's code (see
    `serving_probe`); answers must have the promised shape, finite descending scores, no item twice,
    and none of the user's history. The reason of a refusal is logged and kept with the blessing;
    beside a blessing lie the warm-up requests, which the Pusher makes part of the version.

    Args:
      model: the export to be checked.
      examples: where `user_id` and `history` of real users are taken from.
      blessing: as the Pusher's `infra_blessing` expects it.
      allow_scann: whether ScaNN's operations may be registered; a portable export must load
        without.
      split: of the examples.
      num_examples: how many users are tried, at most.
      timeout_seconds: after which a model that still has not answered is refused.
      warmup_users: how many real users' ids and histories the warm-up requests may hold.
      validated: an earlier verdict on the same export, where there is one; a refusal is passed on.
    """
    users = read_users(artifact_utils.get_split_uri([examples], split), num_examples)
    path = path_utils.serving_model_path(model.uri)
    refusal = earlier_refusal(validated) or check(path, users, allow_scann, timeout_seconds)
    write_blessing(blessing, refusal)
    if refusal:
        logging.error("%s must not be served: %s", model.uri, refusal)
    else:
        warmup_requests.write(blessing.uri, path, users[:warmup_users])


def check(model_path: str, users: list[dict], allow_scann: bool = False, timeout_seconds: int = 600) -> str:
    """Probes a SavedModel in a fresh process.

    Args:
      model_path: folder of the SavedModel.
      users: dicts of `user_id`, a string, and `history`, a list of strings.
      allow_scann: whether `scann` is imported first, or cannot be imported at all.
      timeout_seconds: how long it may take.

    Returns:
      Why the model must not be served; empty where it may.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "users.json")
        Path(path).write_text(json.dumps(users), encoding="utf-8")
        # -I keeps this project, and whatever PYTHONPATH names, out of the process.
        command = [
            sys.executable,
            "-I",
            "-W",
            "ignore",
            str(_PROBE),
            "--model",
            model_path,
            "--users",
            path,
        ]
        try:
            done = subprocess.run(
                command + ["--allow-scann"] * allow_scann,
                capture_output=True,
                text=True,
                timeout=timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it did not answer within {timeout_seconds} seconds"
    if done.returncode == 0:
        return ""
    return done.stdout.strip() or f"the process ended with status {done.returncode}:\n{done.stderr.strip()[-4000:]}"


def read_users(split_uri: str, limit: int) -> list[dict]:
    """Reads `user_id` and `history` of the first `limit` examples of a split."""
    files = sorted(tf.io.gfile.glob(os.path.join(split_uri, "*")))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").take(limit)
    users = []
    for record in records.as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        users.append(
            {
                "user_id": features["user_id"].bytes_list.value[0].decode(),
                "history": [item.decode() for item in features["history"].bytes_list.value],
            }
        )
    return users
