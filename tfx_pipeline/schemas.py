"""The schema a run is held to: the curated one, with the configuration's side features."""

import hashlib
import os

import tensorflow as tf
from google.protobuf import text_format

from modules.data.schema import read_schema, schema_for, write_schema
from tfx_pipeline.config import PipelineConfig


def write_schema_for(config: PipelineConfig) -> str:
    """Writes the run's schema and returns its path.

    The name holds a digest of the content, because TFX's cache looks at the path of an imported schema alone.
    """
    schema = schema_for(config.data, read_schema(config.schema_path))
    digest = hashlib.sha256(text_format.MessageToBytes(schema)).hexdigest()[:16]
    folder = os.path.join(config.data_dir, "schemas")
    tf.io.gfile.makedirs(folder)
    path = os.path.join(folder, f"{config.name}-{digest}.pbtxt")
    write_schema(schema, path)
    return path
