"""What TFX's Tuner runs: trials of the Trainer's own loop over the transformed examples."""

import os

import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from modules import names
from modules.data.config import DataConfig
from modules.environment import require_keras_2
from modules.models.config import ModelConfig
from modules.trainer import files_of_split, settings_digest, vocabulary_sizes
from modules.training.config import TrainingConfig
from modules.training.data import TrainingData
from modules.training.inputs import read_corpus
from modules.tuning.config import TunerConfig
from modules.tuning.search import JointTuner


def custom_config(
    tuner: TunerConfig,
    data: DataConfig,
    model: ModelConfig,
    training: TrainingConfig,
    checkpoints: str,
    code_digest: str,
) -> dict[str, str]:
    """Returns the `custom_config` of the Tuner component.

    Args:
      tuner: what is searched, and how.
      data: for the task and the side features.
      model: the settings that points are laid over.
      training: likewise. Its epochs are left out: the search has its own, and other ones need no other search.
      checkpoints: folder under which a search keeps its trials.
      code_digest: of the sources of `modules`, so that a change of them misses the cache.
    """
    return {
        "tuner": tuner.model_dump_json(),
        "data": data.model_dump_json(),
        "model": model.model_dump_json(),
        "training": training.model_copy(update={"epochs": tuner.epochs}).model_dump_json(),
        "checkpoints": checkpoints,
        "code": code_digest,
    }


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Returns the tuner that TFX runs.

    Its trials lie outside of the execution's own folders, under a name made of everything that determines them: the
    next run after a kill finds them, a search of another space or on other data does not.
    """
    require_keras_2()
    settings = fn_args.custom_config
    data_config = DataConfig.model_validate_json(settings["data"])
    sizes = vocabulary_sizes(tft.TFTransformOutput(fn_args.transform_graph_path), data_config)
    train, catalog = (files_of_split(fn_args.train_files, split) for split in (names.TRAIN, names.CATALOG))
    tuner = JointTuner(
        TunerConfig.model_validate_json(settings["tuner"]),
        ModelConfig.model_validate_json(settings["model"]),
        TrainingConfig.model_validate_json(settings["training"]),
        TrainingData(train, fn_args.eval_files, read_corpus(catalog, train, sizes), data_config.task),
        os.path.join(settings["checkpoints"], f"tuner-{settings_digest(settings, fn_args.transform_graph_path)}"),
    )
    return TunerFnResult(tuner=tuner, fit_kwargs={})
