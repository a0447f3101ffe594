"""Process-wide settings that must stand before TensorFlow is first imported."""

import os
import warnings

DEFAULTS = {
    # TensorFlow Recommenders, Transform and `save_format="tf"` all need Keras 2.
    "TF_USE_LEGACY_KERAS": "1",
    # The CUDA "unable to register factory" lines are of level ERROR, so 2 would not hide them.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # An in-process filter does not reach Beam's worker processes; an environment variable does.
    "PYTHONWARNINGS": "ignore",
}


def apply() -> None:
    """Sets every default the caller's environment does not set itself; safe to call more than once."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    # This process has read PYTHONWARNINGS already. Google's libraries warn once a module of the Python in use.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"tfx\.")


def require_keras_2() -> None:
    """Raises RuntimeError with the remedy where TensorFlow was imported before the settings stood."""
    import tensorflow as tf

    package = tf.keras.Model.__module__.partition(".")[0]
    if package != "tf_keras":
        raise RuntimeError(
            "`tf.keras` must be Keras 2 (TensorFlow Recommenders 0.7 supports no other). Received: the "
            f"package {package!r}. Run `export TF_USE_LEGACY_KERAS=1` before the command, or use this project's .venv, "
            "which sets it for every Python it starts."
        )
