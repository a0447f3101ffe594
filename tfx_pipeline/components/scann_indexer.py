"""Exports the trained model once more, around a ScaNN index."""

import json

from tfx import v1 as tfx
from tfx.utils import path_utils


@tfx.dsl.components.component
def ScannIndexer(
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    scann_model: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Model],
    options: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
) -> None:
    """Wires `modules.export.scann_export`.

    Args:
      model: the Trainer's portable export.
      scann_model: the same model and signatures, searched by ScaNN; needs a server that links its operations.
      options: the fields of `modules.export.config.ExportOptions`, as JSON.
      code: digest of the sources, so that a change of them misses the cache.
    """
    from modules.export.config import ExportOptions
    from modules.export.scann_export import export_scann

    del code
    export_scann(
        path_utils.serving_model_path(model.uri),
        path_utils.serving_model_path(scann_model.uri),
        ExportOptions(**json.loads(options)),
    )
