"""The search: a KerasTuner tuner whose trials are trainings of the pipeline's own loop."""

import logging
import statistics
from typing import Any

import keras_tuner
import pydantic
from keras_tuner.engine import base_tuner

from modules.models.config import ModelConfig
from modules.section import describe_errors
from modules.training.config import TrainingConfig
from modules.training.data import TrainingData
from modules.training.progress import MONITOR
from modules.tuning.config import TunerConfig
from modules.tuning.hyperparameters import OWN_PREFIX, to_hyperparameters, to_point
from modules.tuning.oracles import create_oracle
from modules.tuning.space import settings_at, space_of
from modules.tuning.trials import TrialError, Trials

_EPOCHS = f"{OWN_PREFIX}epochs"


class JointTuner(base_tuner.BaseTuner):
    """Searches for the settings with the best two-stage NDCG@10 on validation.

    What a search has done is kept by `Trials` alone. One that was killed is started anew, proposes the same points,
    since the algorithms are seeded, and is answered at once where a training was finished. KerasTuner's own state
    would not do: it is not written in one piece, and its grid does not survive a restart.

    Args:
      tuner: what is searched, and how.
      model: the settings that points are laid over.
      training: likewise; `tuner.epochs` takes the place of `epochs`.
      data: what trials are trained on and judged by.
      folder: where the search keeps its results, and checkpoints while it runs.
    """

    def __init__(
        self, tuner: TunerConfig, model: ModelConfig, training: TrainingConfig, data: TrainingData, folder: str
    ) -> None:
        self._executions = tuner.executions
        self._model, self._training = model, training.model_copy(update={"epochs": tuner.epochs})
        self._trials = Trials(data, folder)
        self._failures: list[str] = []
        space = to_hyperparameters(space_of(tuner, model), model)
        oracle = create_oracle(tuner, space)
        super().__init__(oracle, directory=folder, project_name="keras_tuner", overwrite=True)

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """See base class."""
        logger = logging.getLogger("tensorflow")
        logger.addFilter(_not_of_retracing)
        try:
            super().search(*fit_args, **fit_kwargs)
        finally:
            logger.removeFilter(_not_of_retracing)

    def run_trial(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> dict[str, float]:
        """Returns `MONITOR` -> its mean over the trial's trainings.

        Raises:
          keras_tuner.errors.FailedTrialError: where the point's settings are at fault; the search goes on.
          keras_tuner.errors.FatalError: on anything else; the search ends.
        """
        values = trial.hyperparameters.values
        try:
            model, training = settings_at(to_point(values), self._model, self._training)
            training = training.model_copy(update={"epochs": values.get(_EPOCHS, training.epochs)})
            seeds = range(training.seed, training.seed + self._executions)
            scores = [self._trials.score(model, training.model_copy(update={"seed": seed})) for seed in seeds]
        except (TrialError, pydantic.ValidationError) as error:
            reason = describe_errors(error) if isinstance(error, pydantic.ValidationError) else str(error)
            self._failures.append(reason)
            raise keras_tuner.errors.FailedTrialError(reason) from error
        except Exception as error:
            raise keras_tuner.errors.FatalRuntimeError(f"Trial {trial.trial_id} of the tuner: {error}") from error
        return {MONITOR: statistics.fmean(scores)}

    def on_trial_end(self, trial: Any) -> None:
        """Tells how the trial did."""
        super().on_trial_end(trial)
        ended = self.oracle.get_trial(trial.trial_id)
        outcome = f"failed: {self._failures[-1]}" if ended.score is None else f"{MONITOR} {ended.score:.4f}"
        logging.info("Trial %s, %s: %s", ended.trial_id, _as_text(ended.hyperparameters.values), outcome)

    def on_search_end(self) -> None:
        """Removes the checkpoints.

        Raises:
          ValueError: where no trial succeeded.
        """
        self._trials.remove_checkpoints()
        # TFX asks for as many of the best trials, and takes no None for all.
        self.oracle.max_trials = self.oracle.max_trials or len(self.oracle.trials)
        if not any(trial.status == "COMPLETED" for trial in self.oracle.trials.values()):
            raise ValueError(
                f"At least one trial of the tuner must succeed. Received: {len(self._failures)} trials, all of which "
                f"failed. Change `tuner.space` to settings that fit. The first failed with: {self._failures[0]}"
            )

    def search_space_summary(self, extended: bool = False) -> None:
        """Tells what is searched."""
        for hyperparameter in self.oracle.get_space().space:
            logging.info("The tuner searches %r.", hyperparameter)

    def results_summary(self, num_trials: int = 1) -> None:
        """Tells the best points."""
        for trial in self.oracle.get_best_trials(num_trials):
            logging.info(
                "The best point found: %s %.4f at %s.", MONITOR, trial.score, _as_text(trial.hyperparameters.values)
            )


def _not_of_retracing(record: logging.LogRecord) -> bool:
    # Every trial has a model of its own, and functions of its own that are traced once.
    return "triggered tf.function retracing" not in record.getMessage()


def _as_text(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()
    )
