"""The Evaluator's module file: how TFMA loads a two-stage model, ScaNN-indexed or not."""

import functools
import os
from typing import Any

import tensorflow as tf
import tensorflow_model_analysis as tfma


def needs_scann(model_path: str) -> bool:
    """Tells whether the graph of the SavedModel in `model_path` holds one of ScaNN's operations."""
    with tf.io.gfile.GFile(os.path.join(model_path, "saved_model.pb"), "rb") as graph:
        return b"Scann>" in graph.read()


def load_model(model_path: str) -> Any:
    """Loads a SavedModel for inference, registering ScaNN's operations first where it uses them.

    A portable model is loaded without importing `scann`, so that a portable model that is none
    shows.

    Args:
      model_path: folder of the SavedModel.

    Returns:
      The loaded object; its `signatures` are callable.

    Raises:
      ImportError: the model needs ScaNN and it cannot be imported here.
    """
    if needs_scann(model_path):
        try:
            import scann  # noqa: F401
        except ImportError as error:
            raise ImportError(
                f"`model_path` must not need ScaNN where it cannot be imported ({error}). "
                f"Received: {model_path}. Install the pinned scann, or load the portable export."
            ) from error
    return tf.saved_model.load(model_path, tags=[tf.saved_model.SERVING])


def custom_eval_shared_model(
    eval_saved_model_path: str, model_name: str, eval_config: tfma.EvalConfig, **kwargs: Any
) -> tfma.types.EvalSharedModel:
    """Returns the model as TFMA shares it in a worker; TFX's Evaluator calls it by this name.

    Args:
      eval_saved_model_path: folder of the SavedModel.
      model_name: which of `eval_config.model_specs` it is.
      eval_config: the Evaluator's configuration.
      **kwargs: what else TFX passes; a generic TensorFlow model has no use for it.

    Returns:
      A shared model that each Beam worker loads for itself, with `load_model`.
    """
    del kwargs
    baselines = {spec.name for spec in eval_config.model_specs if spec.is_baseline}
    return tfma.types.EvalSharedModel(
        model_path=eval_saved_model_path,
        model_name=model_name,
        model_type=tfma.constants.TF_GENERIC,
        is_baseline=model_name in baselines,
        model_loader=tfma.types.ModelLoader(
            # Called in the worker, whose process has imported nothing of ours yet.
            construct_fn=functools.partial(load_model, eval_saved_model_path),
            tags=[tf.saved_model.SERVING],
        ),
    )
