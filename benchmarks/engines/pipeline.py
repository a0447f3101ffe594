"""Every component that runs on Beam, around a model that needs no training."""

import glob
import json
import os
from pathlib import Path

import tensorflow as tf
from tfx import v1 as tfx

from benchmarks.engines.model import save_hash_model
from modules import names
from modules.data.examples.slices import slice_features
from tfx_pipeline.components.batch_recommender import BatchRecommender
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation import eval_config
from tfx_pipeline.pipeline import create_data_pipeline
from tfx_pipeline.runs import logs


def prepare() -> int:
    """Imports what a run needs and returns the id of this process."""
    logs.set_up()
    return os.getpid()


def run(config: PipelineConfig) -> None:
    """Runs ExampleGen, StatisticsGen, Transform, the Evaluator and the batch recommendations on `config.beam`.

    Args:
      config: of the pipeline; artifacts go to `config.pipeline_root`.
    """
    os.makedirs(os.path.dirname(config.metadata_path), exist_ok=True)
    tfx.orchestration.LocalDagRunner().run(create_data_pipeline(config))
    (examples,) = glob.glob(os.path.join(config.pipeline_root, "InteractionExampleGen", "examples", "*"))
    model = os.path.join(config.root, "model")
    candidates = config.model.candidates
    save_hash_model(Path(model, "Format-Serving"), _items(examples), config.serving.top_k, int(candidates))
    tfx.orchestration.LocalDagRunner().run(_judging_pipeline(config, examples, model))


def _items(examples: str) -> list[str]:
    paths = sorted(glob.glob(os.path.join(examples, f"Split-{names.CATALOG}", "*")))
    records = tf.data.TFRecordDataset(paths, compression_type="GZIP").as_numpy_iterator()
    features = (tf.train.Example.FromString(record).features.feature for record in records)
    return sorted(of_item[names.ITEM_ID].bytes_list.value[0].decode() for of_item in features)


def _judging_pipeline(config: PipelineConfig, examples: str, model: str) -> tfx.dsl.Pipeline:
    artifacts = tfx.types.standard_artifacts
    split_names = {"split_names": json.dumps(list(names.SPLITS))}
    data = tfx.dsl.Importer(source_uri=examples, artifact_type=artifacts.Examples, properties=split_names)
    export = tfx.dsl.Importer(source_uri=model, artifact_type=artifacts.Model)
    # Stands for the checks of the served model, which do not run on Beam.
    checked = tfx.dsl.Importer(
        source_uri=model, artifact_type=artifacts.InfraBlessing, custom_properties={"blessed": 1}
    )
    importers = {"examples": data, "model": export, "checked": checked}
    of = {name: importer.with_id(name).outputs["result"] for name, importer in importers.items()}
    evaluator = tfx.components.Evaluator(
        examples=of["examples"],
        model=of["model"],
        eval_config=eval_config(config.evaluation, slice_features(config.data), config.model.candidates),
        example_splits=[names.TEST],
        module_path="modules.evaluator",
    )
    recommender = BatchRecommender(
        model=of["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=of["checked"],
        examples=of["examples"],
        top_k=config.serving.top_k,
        code="",
    )
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(config.metadata_path)
    return tfx.dsl.Pipeline(
        pipeline_name=f"{config.name}_judging",
        pipeline_root=config.pipeline_root,
        components=[*importers.values(), evaluator, recommender],
        enable_cache=False,
        metadata_connection_config=metadata,
        beam_pipeline_args=config.beam.pipeline_args(),
    )
