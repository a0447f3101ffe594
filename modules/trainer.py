"""What TFX's Trainer runs: reads the transformed examples, fits, exports the portable model."""

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.utils import io_utils

from modules import names
from modules.component_settings import ComponentSettings
from modules.data.config import DataConfig, SideFeature
from modules.environment import require_keras_2
from modules.export.config import ExportOptions
from modules.export.index_choice import choose_index
from modules.export.server_model import ServerModel
from modules.export.towers import Towers
from modules.export.training_record import TrainingRecord
from modules.models.algorithms.base import TwoStageModel
from modules.serving.item_lists import read_item_lists
from modules.serving.rules import Rules, with_named_rules
from modules.training.fit import TrainingData, fit
from modules.training.inputs import evaluation_users, read_corpus
from modules.training.item_facts import read_item_facts
from modules.training.settings import TrainerSettings
from modules.training.warm_start import BaseModel, WarmStart, find_base
from modules.tuning.effective import with_hyperparameters, write_configuration

HISTORY_FILE = "history.json"
WARM_START_FILE = "warm_start.json"

_CALIBRATION_USERS = 512


def run_fn(fn_args: FnArgs) -> None:
    """Trains, and writes the SavedModel, the history and the TensorBoard logs where TFX wants them.

    Checkpoints lie outside of the execution's own folders, under a name made of everything that determines the
    training: the next run after a kill finds them, a run with another configuration or other data does not.
    """
    require_keras_2()
    settings = with_hyperparameters(TrainerSettings.from_custom_config(fn_args.custom_config), fn_args.hyperparameters)
    digest = settings_digest(settings, fn_args.transform_output)
    base = find_base(fn_args.base_model) if settings.training.warm_start else None
    if base is not None and base.record.digest == digest:
        _hand_on(base, settings, fn_args)
        return
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    train, catalog = (files_of_split(fn_args.train_files, split) for split in (names.TRAIN, names.CATALOG))
    corpus = read_corpus(catalog, train, vocabulary_sizes(transform_output, settings.data))
    rules = _read_rules(transform_output, settings, catalog)
    logging.info("Corpus: %d items, %d users.", corpus.num_items, corpus.num_users)
    # A path or a URI.
    checkpoints = os.path.join(
        settings.checkpoints, settings_digest(settings, fn_args.transform_output, base.path if base else "")
    )
    warm_start = WarmStart(base, vocabulary_files(transform_output, settings.data)) if base else None
    result = fit(
        settings.model,
        settings.training,
        TrainingData(train, fn_args.eval_files, corpus, settings.data.task, settings.data.ties == "basket"),
        checkpoints,
        callbacks=[tf.keras.callbacks.TensorBoard(fn_args.model_run_dir, profile_batch=0)],
        initialise=warm_start,
    )
    towers = Towers(
        result.model,
        transform_output.transform_features_layer(),
        transform_output.vocabulary_by_name(names.ITEM_VOCABULARY),
        corpus,
        rules,
    )
    candidates = settings.model.candidate_count(corpus.num_items)
    options = ExportOptions(candidates=candidates, **settings.export.model_dump())
    queries = validation_queries(result.model, fn_args.eval_files)
    index = choose_index(towers.candidates, candidates, settings.index, queries)
    ServerModel(towers, index, options).save(fn_args.serving_model_dir)
    record = TrainingRecord(digest, settings.model.retriever.name, settings.model.ranker.name, result.history)
    record.write(fn_args.serving_model_dir)
    _write_run(result.history, warm_start.summary if warm_start else None, settings, fn_args.model_run_dir)
    tf.io.gfile.rmtree(checkpoints)


def _hand_on(base: BaseModel, settings: TrainerSettings, fn_args: FnArgs) -> None:
    """Exports a base model that these very settings and data made: to train on would make another of every repeat."""
    logging.info("%s was trained with these settings on this data: it is handed on as it is.", base.path)
    io_utils.copy_dir(base.path, fn_args.serving_model_dir)
    base.record.write(fn_args.serving_model_dir)
    _write_run(base.record.history, {"base": base.path, "handed_on": True}, settings, fn_args.model_run_dir)


def _write_run(
    history: list[dict[str, float]], warm_start: dict[str, Any] | None, settings: TrainerSettings, directory: str
) -> None:
    tf.io.gfile.makedirs(directory)
    for name, content in {HISTORY_FILE: history, WARM_START_FILE: warm_start}.items():
        if content is not None:
            with tf.io.gfile.GFile(os.path.join(directory, name), "w") as file:
                file.write(json.dumps(content, indent=1))
    write_configuration(settings, directory)


def validation_queries(model: TwoStageModel, patterns: Sequence[str]) -> np.ndarray:
    """Returns the queries float32 `[Q, d]` of the first 512 validation users, those left out nothing is known of."""
    users = evaluation_users(patterns, model.config.history_length, _CALIBRATION_USERS)
    context = next(iter(users)).context
    known = tf.logical_not(model.retriever.is_cold(context))
    return tf.boolean_mask(model.retriever.query(context), known).numpy()


def _read_rules(transform_output: tft.TFTransformOutput, settings: TrainerSettings, catalog: Sequence[str]) -> Rules:
    """Returns what served rules know of the items; before the training, so that a wrong rule costs none."""
    features = settings.data.item_features
    item_ids = transform_output.vocabulary_by_name(names.ITEM_VOCABULARY)
    vocabularies = {names.ITEM_VOCABULARY: item_ids} | {
        name: transform_output.vocabulary_by_name(names.item_column(name))
        for name, feature in features.items()
        if feature.kind == "categorical"
    }
    lists = read_item_lists(settings.named_items.lists, item_ids)
    return with_named_rules(read_item_facts(catalog, features, vocabularies), lists, settings.named_items.rules)


def files_of_split(patterns: Sequence[str], split: str) -> list[str]:
    """Returns those of the Trainer's file patterns that belong to a split of the examples."""
    return [pattern for pattern in patterns if f"/Split-{split}/" in pattern]


def vocabulary_sizes(transform_output: tft.TFTransformOutput, data: DataConfig) -> Mapping[str, int]:
    """Returns how many values each vocabulary has, by the name of its transformed column."""
    sizes = {name: transform_output.vocabulary_size_by_name(name) for name in _vocabularies(data)}
    return sizes | {name: data.numeric_buckets for name, f in _side_features(data).items() if f.kind == "numeric"}


def vocabulary_files(transform_output: tft.TFTransformOutput, data: DataConfig) -> Mapping[str, str]:
    """Returns the text file of each vocabulary, a key a line, by its name."""
    return {name: transform_output.vocabulary_file_by_name(name) for name in _vocabularies(data)}


def _vocabularies(data: DataConfig) -> list[str]:
    categorical = [name for name, feature in _side_features(data).items() if feature.kind == "categorical"]
    return [names.ITEM_VOCABULARY, names.USER_VOCABULARY, *categorical]


def _side_features(data: DataConfig) -> Mapping[str, SideFeature]:
    """Returns the model's side features of items and users by the name of their transformed column."""
    columns = {names.item_column(name): feature for name, feature in data.item_features.items() if feature.in_model}
    return columns | {names.user_column(name): feature for name, feature in data.user_features.items()}


def settings_digest(settings: ComponentSettings, transform_output: str, base_model: str = "") -> str:
    """Returns a digest of everything that determines a training: settings, code, data, and what it begins from."""
    values = settings.model_dump(mode="json")
    parts = json.dumps([values, transform_output, *filter(None, [base_model])], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:16]
