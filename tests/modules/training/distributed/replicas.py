"""Trainings of `runs`, by one process of several or by several devices of one, with every step written down.

    python -m tests.modules.training.distributed.replicas <data> <folder> alone|mirrored|worker <algorithm> ...

trains in `<folder>/<algorithm>`; `worker` takes its place in the cluster from TF_CONFIG. What `Steps` saw of an
algorithm becomes `<folder>/<algorithm>-<worker>.json`.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

from modules.models.algorithms.base import AlgorithmOptions, StageLosses, TwoStageModel
from modules.models.context import Context
from modules.training.distributed.cluster import Cluster
from modules.training.distributed.config import DistributionConfig
from modules.training.distributed.tf_config import read_tf_config
from modules.training.fit import keep_autograph_away, train
from modules.training.worker import connect
from tests.modules import tiny
from tests.modules.training import runs


class Plain(TwoStageModel):
    """An algorithm that knows nothing of replicas: squared errors of both stages, by plain TensorFlow alone."""

    LOGGED = ("retriever_error",)
    Options = AlgorithmOptions

    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        proposals = self.propose(context, positives, seed)
        scores = self.ranker_scores(context, proposals.ids, proposals.retriever_scores, training=True)
        labels = tf.one_hot(tf.zeros_like(positives), scores.shape[1])
        errors = [tf.reduce_sum((stage - labels) ** 2, axis=1) for stage in (proposals.retriever_scores, scores)]
        return StageLosses(tf.add_n(errors), {"retriever_error": errors[0]})


EPOCHS = 2
CLIP = 0.5
"""Small enough to clip every step, so that the norm matters."""
SEQUENTIAL = {**runs.SEQUENTIAL, "retriever": {**tiny.SASREC, "dropout": 0.2}, "ranker": {**tiny.DIN, "dropout": 0.2}}
STAGES: dict[str, dict[str, Any]] = {
    "corr": SEQUENTIAL,
    "corr_weighted": {**SEQUENTIAL, "sampler": {**tiny.MIDX, "within_cell": "popularity"}, "uniform_share": 0.2},
    "independent": {
        **SEQUENTIAL,
        "ranker": {"name": "bst"},
        "sampler": {"name": "exact"},
        "uniform_share": 0.2,
        "algorithm": {"name": "independent"},
    },
    "plain": {**SEQUENTIAL, "algorithm": {"name": "tests.modules.training.distributed.replicas:Plain"}},
    "icc": {**SEQUENTIAL, "retriever": {"name": "caser"}, "algorithm": {"name": "icc"}},
    "rankflow": {
        **SEQUENTIAL,
        "ranker": {"name": "dcn"},
        "sampler": {"name": "popularity"},
        "algorithm": {"name": "rankflow", "warmup_epochs": 0, "top_k": 8, "tutor_top": 3},
    },
    "masked_items": {
        **SEQUENTIAL,
        "retriever": {"name": "bert4rec", "blocks": 1},
        "ranker": {"name": "none"},
        "algorithm": {"name": "masked_items"},
    },
    "retriever_only": {
        "retriever": {"name": "gru4rec", "units": 8},
        "ranker": {"name": "none"},
        "sampler": {"name": "toprand", "pool_size": 8},
        "algorithm": {"name": "retriever_only", "loss": "bpr"},
    },
    "ranker_only": {
        "retriever": {"name": "dssm", "hidden_units": [8]},
        "ranker": {"name": "deepfm", "hidden_units": [8]},
        "sampler": {**tiny.MIDX, "within_cell": "popularity", "refresh_steps": 2},
        "algorithm": {"name": "ranker_only"},
    },
}

OPTIMIZERS = {"independent": "lazy_adam", "masked_items": "lazy_adam", "plain": "row_adagrad"}


class Steps(tf.keras.callbacks.Callback):
    """Keeps the loss and the sampler's state of every step: a digest for each of the process's replicas."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster
        self.losses: list[float] = []
        self.index: list[list[str]] = []

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        state = map(self._copies, self.model.sampler.weights)
        self.losses.append(float(logs["loss"]))
        self.index.append([_digest(copies) for copies in zip(*state, strict=True)])

    def _copies(self, variable: tf.Variable) -> list[bytes]:
        strategy = self._cluster.strategy
        copies = strategy.experimental_local_results(variable) if strategy else [variable]
        return [copy.numpy().tobytes() for copy in copies]


def _digest(values: tuple[bytes, ...]) -> str:
    return hashlib.sha256(b"".join(values)).hexdigest()


def record(data: Path, folder: Path, cluster: Cluster, algorithm: str) -> dict[str, Any]:
    """Trains and returns `losses`, one a step; `index`, digests of the sampler's state after each; and `history`."""
    steps = Steps(cluster)
    _, progress = train(
        tiny.make_config(**STAGES[algorithm]),
        runs.training_config(
            epochs=EPOCHS, gradient_clip_norm=CLIP, optimizer={"name": OPTIMIZERS.get(algorithm, "adam")}
        ),
        runs.training_data(data),
        str(folder / algorithm),
        cluster,
        [steps],
    )
    return {"losses": steps.losses, "index": steps.index, "history": progress.history}


def main(data: str, folder: str, strategy: str, *algorithms: str) -> None:
    """Trains each algorithm in turn and writes the results."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keep_autograph_away()
    if strategy == "worker":
        distribution = DistributionConfig(strategy="multi_worker", start_timeout_seconds=300, peer_timeout_seconds=300)
        cluster = connect(read_tf_config(), distribution)
    elif strategy == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        cluster = Cluster(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    else:
        cluster = Cluster()
    for algorithm in algorithms:
        result = record(Path(data), Path(folder), cluster, algorithm)
        Path(folder, f"{algorithm}-{cluster.worker}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
