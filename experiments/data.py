"""The pipeline's own data half, run once a data set, and read back for training and testing."""

import os
from pathlib import Path
from typing import NamedTuple

import tensorflow_transform as tft
from tfx import v1 as tfx

from modules import names
from modules.data.config import DataConfig
from modules.trainer import vocabulary_sizes
from modules.training.fit import TrainingData
from modules.training.inputs import read_corpus
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.pipeline import create_data_pipeline
from tfx_pipeline.report.lineage import latest_run


class ExperimentData(NamedTuple):
    """What to train on, and the file patterns of the test split."""

    training: TrainingData
    test: list[str]


def prepare(name: str, data: DataConfig, root: str) -> ExperimentData:
    """Runs ExampleGen to Transform where that has not been done (TFX's cache decides) and reads the result.

    Args:
      name: of the data set.
      data: its settings.
      root: folder of what is written.
    """
    config = PipelineConfig(name=f"data_{name}", root=root, data=data, **_models_for(data))
    os.makedirs(os.path.dirname(config.metadata_path), exist_ok=True)
    pipeline = create_data_pipeline(config)
    tfx.orchestration.LocalDagRunner().run(pipeline)
    transform = next(e for e in latest_run(config.metadata_path, config.name).executions if e.node == "Transform")
    examples = transform.outputs["transformed_examples"][0].uri
    transform_output = tft.TFTransformOutput(transform.outputs["transform_graph"][0].uri)
    train, valid, test, catalog = (
        [str(Path(examples) / f"Split-{split}" / "*")]
        for split in (names.TRAIN, names.VALID, names.TEST, names.CATALOG)
    )
    corpus = read_corpus(catalog, train, vocabulary_sizes(transform_output, data))
    return ExperimentData(TrainingData(train, valid, corpus, data.task, data.ties == "basket"), test)


def _models_for(data: DataConfig) -> dict:
    """A pipeline wants models its task allows, also where it stops before them."""
    if data.task == "sequential":
        return {}
    return {"model": {"retriever": {"name": "mf"}, "ranker": {"name": "deepfm"}}}
