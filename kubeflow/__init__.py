"""The same pipeline on Kubeflow Pipelines v2: compiled, submitted, run container by container, served."""

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)
