"""Every user's recommendations by a blessed model, as Parquet and TFRecord."""

import os
import uuid

import apache_beam as beam
from absl import logging
from tfx import v1 as tfx
from tfx.components.util import model_utils
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import path_utils

FOLDER = "recommendations"


@tfx.dsl.components.component(use_beam=True)
def BatchRecommender(
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    model_blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelBlessing],
    infra_blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    recommendations: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.InferenceResult],
    top_k: tfx.dsl.components.Parameter[int],
    code: tfx.dsl.components.Parameter[str],
    shards: tfx.dsl.components.Parameter[int] = 0,
    beam_pipeline: tfx.dsl.components.BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Wires `modules.recommend_all`.

    The folder `recommendations` appears in the artifact when everything is written, or not at all. A model that is not
    blessed recommends nothing.

    Args:
      model: the portable export: Beam's workers know TensorFlow's own operations only.
      model_blessing: the Evaluator's verdict.
      infra_blessing: the serving check's verdict.
      examples: of all users.
      recommendations: `recommendations/parquet` and `recommendations/tfrecord`; its property `written` is 1 or 0.
      top_k: items a user gets.
      code: digest of the sources, so that a change of them misses the cache.
      shards: files of each format; 0 leaves it to Beam.
      beam_pipeline: where it runs.
    """
    from modules import names
    from modules.recommend_all import recommend_all

    del code
    blessed = model_utils.is_model_blessed(model_blessing) and model_utils.is_infra_validated(infra_blessing)
    recommendations.set_int_custom_property("written", int(blessed))
    if not blessed:
        logging.info("%s is not blessed: no recommendations are written.", model.uri)
        return
    incoming = os.path.join(recommendations.uri, f".incoming-{uuid.uuid4().hex}")
    path = os.path.join(recommendations.uri, FOLDER)
    splits = (names.TRAIN, names.VALID, names.TEST)
    try:
        with beam_pipeline as pipeline:
            recommend_all(
                pipeline,
                {split: os.path.join(artifact_utils.get_split_uri([examples], split), "*") for split in splits},
                path_utils.serving_model_path(model.uri),
                incoming,
                top_k,
                shards,
            )
        fileio.rename(incoming, path)
    finally:
        if fileio.exists(incoming):
            fileio.rmtree(incoming)
    logging.info("Every user's recommendations: %s", path)
