"""What TFX's Tuner runs: trials of the Trainer's own loop over the transformed examples."""

import os

import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from modules import names
from modules.environment import require_keras_2
from modules.trainer import files_of_split, settings_digest, vocabulary_sizes
from modules.training.data import TrainingData
from modules.training.inputs import read_corpus
from modules.tuning.search import JointTuner
from modules.tuning.settings import TunerSettings


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Returns the tuner that TFX runs.

    Its trials lie outside of the execution's own folders, under a name made of everything that determines them: the
    next run after a kill finds them, a search of another space or on other data does not.
    """
    require_keras_2()
    settings = TunerSettings.from_custom_config(fn_args.custom_config)
    sizes = vocabulary_sizes(tft.TFTransformOutput(fn_args.transform_graph_path), settings.data)
    train, catalog = (files_of_split(fn_args.train_files, split) for split in (names.TRAIN, names.CATALOG))
    tuner = JointTuner(
        settings.tuner,
        settings.model,
        settings.training,
        TrainingData(
            train,
            fn_args.eval_files,
            read_corpus(catalog, train, sizes),
            settings.data.task,
            settings.data.ties == "basket",
        ),
        os.path.join(settings.checkpoints, f"tuner-{settings_digest(settings, fn_args.transform_graph_path)}"),
    )
    return TunerFnResult(tuner=tuner, fit_kwargs={})
