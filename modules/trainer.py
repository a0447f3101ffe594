"""What TFX's Trainer runs: reads the transformed examples, fits, exports the portable model."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from modules.config import DataConfig, EvaluationConfig, ModelConfig, ServingConfig, TrainingConfig
from modules.cooperation.base import TwoStageModel
from modules.data import names
from modules.environment import require_keras_2
from modules.export.index_choice import IndexOptions, choose_index
from modules.export.server_model import ExportOptions, ServerModel
from modules.export.towers import Towers
from modules.training.fit import TrainingData, fit
from modules.training.inputs import evaluation_users, read_corpus

HISTORY_FILE = "history.json"

_CALIBRATION_USERS = 512


def custom_config(
    data: DataConfig,
    model: ModelConfig,
    training: TrainingConfig,
    evaluation: EvaluationConfig,
    serving: ServingConfig,
    checkpoints: str,
    code_digest: str,
) -> dict[str, str]:
    """Returns the `custom_config` of the Trainer component.

    Args:
      data: for the task and the side features.
      model: what is trained.
      training: how.
      evaluation: for the sizes of the `evaluate` signature.
      serving: for the sizes of the served signatures, and the index.
      checkpoints: folder under which a run keeps its checkpoints until it is done.
      code_digest: of the sources of `modules`, so that a change of them misses the cache.
    """
    return {
        "data": data.model_dump_json(),
        "model": model.model_dump_json(),
        "training": training.model_dump_json(),
        "export": json.dumps(export_sizes(evaluation, serving)),
        "index": json.dumps(
            {
                "kind": serving.index,
                "min_recall": serving.min_index_recall,
                "quantisation": serving.index_quantisation,
                "exact_below": serving.exact_below,
            }
        ),
        "checkpoints": checkpoints,
        "code": code_digest,
    }


def export_sizes(evaluation: EvaluationConfig, serving: ServingConfig) -> dict[str, int | float]:
    """Returns what is known of `ExportOptions` before the corpus is: all but `candidates`."""
    return {
        "top_k": serving.top_k,
        "evaluated_k": max(evaluation.cutoffs),
        "full_ranking_share": evaluation.full_ranking_share,
    }


def run_fn(fn_args: FnArgs) -> None:
    """Trains, and writes the SavedModel, the history and the TensorBoard logs where TFX wants them.

    Checkpoints lie outside of the execution's own folders, under a name made of everything that determines the
    training: the next run after a kill finds them, a run with another configuration or other data does not.
    """
    require_keras_2()
    settings = fn_args.custom_config
    data_config = DataConfig.model_validate_json(settings["data"])
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    train, catalog = (files_of_split(fn_args.train_files, split) for split in (names.TRAIN, names.CATALOG))
    corpus = read_corpus(catalog, train, vocabulary_sizes(transform_output, data_config))
    logging.info("Corpus: %d items, %d users.", corpus.num_items, corpus.num_users)
    checkpoints = Path(settings["checkpoints"]) / _digest(settings, fn_args.transform_output)
    model_config = ModelConfig.model_validate_json(settings["model"])
    result = fit(
        model_config,
        TrainingConfig.model_validate_json(settings["training"]),
        TrainingData(train, fn_args.eval_files, corpus, data_config.task),
        str(checkpoints),
        callbacks=[tf.keras.callbacks.TensorBoard(fn_args.model_run_dir, profile_batch=0)],
    )
    towers = Towers(
        result.model,
        transform_output.transform_features_layer(),
        transform_output.vocabulary_by_name(names.ITEM_VOCABULARY),
        corpus,
    )
    candidates = model_config.candidate_count(corpus.num_items)
    options = ExportOptions(candidates=candidates, **json.loads(settings["export"]))
    queries = validation_queries(result.model, fn_args.eval_files)
    index = choose_index(towers.candidates, candidates, IndexOptions(**json.loads(settings["index"])), queries)
    ServerModel(towers, index, options).save(fn_args.serving_model_dir)
    tf.io.gfile.makedirs(fn_args.model_run_dir)
    with tf.io.gfile.GFile(os.path.join(fn_args.model_run_dir, HISTORY_FILE), "w") as file:
        file.write(json.dumps(result.history, indent=1))
    shutil.rmtree(checkpoints)


def validation_queries(model: TwoStageModel, patterns: Sequence[str]) -> np.ndarray:
    """Returns the queries float32 `[Q, d]` of the first 512 validation users, those left out nothing is known of."""
    users = evaluation_users(patterns, model.config.history_length, _CALIBRATION_USERS)
    context = next(iter(users)).context
    known = tf.logical_not(model.retriever.is_cold(context))
    return tf.boolean_mask(model.retriever.query(context), known).numpy()


def files_of_split(patterns: Sequence[str], split: str) -> list[str]:
    """Returns those of the Trainer's file patterns that belong to a split of the examples."""
    return [pattern for pattern in patterns if f"/Split-{split}/" in pattern]


def vocabulary_sizes(transform_output: tft.TFTransformOutput, data: DataConfig) -> Mapping[str, int]:
    """Returns how many values each vocabulary has, by the name of its transformed column."""
    columns = {names.item_column(name): f for name, f in data.item_features.items()}
    columns |= {names.user_column(name): f for name, f in data.user_features.items()}
    vocabularies = [names.ITEM_VOCABULARY, names.USER_VOCABULARY]
    vocabularies += [name for name, feature in columns.items() if feature.kind == "categorical"]
    sizes = {name: transform_output.vocabulary_size_by_name(name) for name in vocabularies}
    return sizes | {name: data.numeric_buckets for name, f in columns.items() if f.kind == "numeric"}


def _digest(settings: Mapping[str, Any], transform_output: str) -> str:
    parts = json.dumps([dict(settings), transform_output], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:16]
