"""The artifacts that later runs ask for, remembered beside the pipeline's data.

Kubeflow Pipelines has no resolver (its compiler refuses one: "resolver not implemented yet"), so that whatever a
resolver of the pipeline would look up is written down where the next run finds it.
"""

import json
import os
import time
import uuid
from collections.abc import Mapping

import tensorflow as tf

from modules.atomic_files import write_atomically


def record(folder: str, key: str, artifact: Mapping) -> str:
    """Writes an artifact down.

    Args:
      folder: of the pipeline's records; a path or a bucket's URI.
      key: what it is looked up by, `<component>/<output>`.
      artifact: its JSON form; `uri` and `metadata` are kept.

    Returns:
      The record's path.
    """
    own = os.path.join(folder, key)
    tf.io.gfile.makedirs(own)
    # Ordered by name as by time; two at once do not meet.
    path = os.path.join(own, f"{time.time_ns():020d}-{uuid.uuid4().hex}.json")
    write_atomically(path, json.dumps({"uri": artifact["uri"], "metadata": artifact.get("metadata", {})}))
    return path


def latest(folder: str, key: str) -> dict | None:
    """Returns `uri` and `metadata` of the artifact that was written down last; None where none was.

    Raises:
      ValueError: the record cannot be read.
    """
    paths = tf.io.gfile.glob(os.path.join(folder, key, "*.json"))
    if not paths:
        return None
    path = max(paths)
    with tf.io.gfile.GFile(path) as file:
        text = file.read()
    try:
        found = json.loads(text)
        return {"uri": found["uri"], "metadata": found["metadata"]}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} must be the record of an artifact, with `uri` and `metadata`. Received: {text[:200]!r}. "
            "Remove it: the one before it counts then."
        ) from error
