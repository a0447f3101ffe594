"""TFX's InfraBlessing artifact, with the reason of a refusal beside it."""

import os
from typing import Any

import tensorflow as tf
from tfx.components.util import model_utils

BLESSED_FILE = "INFRA_BLESSED"
NOT_BLESSED_FILE = "INFRA_NOT_BLESSED"
REASON_FILE = "reason.txt"


def write_blessing(blessing: Any, refusal: str) -> None:
    """Marks an InfraBlessing artifact the way TFX's InfraValidator does, for the Pusher to read.

    Args:
      blessing: the artifact.
      refusal: why the model must not be served; empty to bless it.
    """
    tf.io.gfile.makedirs(blessing.uri)
    blessing.set_int_custom_property("blessed", int(not refusal))
    _write(blessing.uri, NOT_BLESSED_FILE if refusal else BLESSED_FILE, "")
    if refusal:
        _write(blessing.uri, REASON_FILE, refusal)


def read_refusal(uri: str) -> str:
    """Returns why the artifact in `uri` is no blessing; empty where nothing was written down."""
    path = os.path.join(uri, REASON_FILE)
    if not tf.io.gfile.exists(path):
        return ""
    with tf.io.gfile.GFile(path) as file:
        return file.read()


def earlier_refusal(validated: Any | None) -> str:
    """Returns why an earlier check refused the same export; empty where it did not, or where there was none.

    Args:
      validated: its InfraBlessing artifact, of a check here or of TFX's InfraValidator.
    """
    if validated is None or model_utils.is_infra_validated(validated):
        return ""
    return read_refusal(validated.uri) or "TFX's InfraValidator did not bless it; its log says why"


def _write(folder: str, name: str, text: str) -> None:
    with tf.io.gfile.GFile(os.path.join(folder, name), "w") as file:
        file.write(text)
