"""A ranker trained alone: its loss, the retriever it leaves alone, and the whole corpus in its order."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.models import losses
from modules.models.algorithms.ranker_only import RankerOnly
from modules.models.build import build_model
from modules.models.retrieval import exhaustive_top_k
from modules.training.config import TrainingConfig
from tests.modules import tiny
from tests.modules.models.algorithms.batches import BATCH, CONTEXT, POSITIVES, SEED
from tests.modules.models.algorithms.steps import train
from tests.modules.training import runs

LOSSES = ["sampled_softmax", "bpr", "binary_cross_entropy"]
NCF = {"name": "ncf", "hidden_units": [8], "dropout": 0.0}


def make_model(loss: str = "binary_cross_entropy", residual: bool = False, **changes) -> RankerOnly:
    """Returns a model of random weights."""
    algorithm = {"name": "ranker_only", "loss": loss, "residual": residual}
    model = tiny.make_model(**{"sampler": {"name": "popularity"}, "ranker": NCF, "algorithm": algorithm, **changes})
    model.rank(CONTEXT, POSITIVES[:, tf.newaxis])
    tiny.randomise(model.retriever)
    tiny.randomise(model.ranker, seed=4)
    return model


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_is_the_one_that_was_chosen(loss: str) -> None:
    model = make_model(loss)
    proposals = model.propose(CONTEXT, POSITIVES, SEED)
    scores = model.rank(CONTEXT, proposals.ids)
    positive, negative = scores[:, 0], scores[:, 1:]
    log_q = proposals.positive_log_q, proposals.negative_log_q
    expected = {
        "sampled_softmax": losses.sampled_log_softmax(positive, negative, *log_q, proposals.negatives),
        "bpr": losses.bayesian_personalized_ranking(positive, negative, proposals.negatives),
        "binary_cross_entropy": losses.binary_cross_entropy(positive, negative, proposals.negatives),
    }
    assert len({float(tf.reduce_mean(values)) for values in expected.values()}) == len(LOSSES)
    found = model.batch_losses(*BATCH, SEED)
    assert float(found.total) == pytest.approx(np.mean(expected[loss]), rel=1e-5)
    assert float(found.logged["loss"]) == float(found.total)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_no_gradient_reaches_the_retriever(loss: str, residual: bool) -> None:
    model = make_model(loss, residual)
    with tf.GradientTape() as tape:
        total = model.batch_losses(*BATCH, SEED).total
    gradients = tape.gradient(total, [model.retriever.trainable_variables, model.ranker.trainable_variables])
    assert gradients[0] == [None] * len(gradients[0])
    assert None not in gradients[1]


def test_steps_move_the_ranker_alone_and_are_counted() -> None:
    sampler = {"name": "exact", "refresh_steps": 2}
    model = make_model(sampler=sampler)
    model.compile(*(tf.keras.optimizers.AdamW(0.01, weight_decay=0.1) for _ in range(2)), 5.0)
    retriever, ranker = ([w.numpy() for w in stage.trainable_variables] for stage in (model.retriever, model.ranker))
    step = tf.function(model.train_step)
    for done in range(1, 4):
        model.reset_metrics()
        logged = step(BATCH)
        # The draws and the refreshes of the index depend on the count of the retriever's optimiser.
        assert int(model.optimizer.iterations) == int(model.ranker_optimizer.iterations) == done
    assert float(logged["retriever_gradient_norm"]) == 0
    assert float(logged["ranker_gradient_norm"]) > 0
    for before, weight in zip(retriever, model.retriever.trainable_variables, strict=True):
        np.testing.assert_array_equal(weight, before)
    assert all(np.any(w != before) for before, w in zip(ranker, model.ranker.trainable_variables, strict=True))


def test_the_order_is_the_rankers_own_unless_told_otherwise() -> None:
    assert not RankerOnly.Options().residual
    model = make_model()
    ids = tf.constant([[1, 2], [3, 4], [5, 6]], tf.int64)
    np.testing.assert_array_equal(model.rank(CONTEXT, ids), model.ranker.score(model.ranker.encode(CONTEXT), ids))


class CountSteps(tf.keras.callbacks.Callback):
    """Keeps how many steps the draws are seeded by at the end of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.steps.append(int(self.model.optimizer.iterations))


def test_a_run_is_judged_over_the_whole_corpus_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    runs.write_data(tmp_path)
    stages = {"retriever": tiny.MF, "ranker": NCF, "algorithm": {"name": "ranker_only"}, "candidates": "all"}
    count = CountSteps()
    for epochs in (1, 2):
        result = runs.run(tmp_path, tmp_path / "run", stages, [count], epochs=epochs, weight_decay=0.01)
    assert count.steps == [runs.STEPS, 2 * runs.STEPS]
    assert [entry["retriever_gradient_norm"] for entry in result.history] == [0, 0]
    assert f"val_retriever_recall@{runs.ITEMS}" in result.history[0]
    seed = TrainingConfig().seed
    untrained = build_model(tiny.make_config(**stages), tiny.make_corpus(runs.ITEMS, runs.USERS), seed)
    for weight, start in zip(result.model.retriever.weights, untrained.retriever.weights, strict=True):
        np.testing.assert_array_equal(weight, start)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_groups_missing_item_comes_first_of_the_whole_corpus(loss: str) -> None:
    """Users take the items of their group, each but for one that the others of the group have."""
    groups, size, users = 3, 5, np.arange(1, 31)
    model = make_model(
        loss, corpus=tiny.make_corpus(groups * size, len(users)), sampler=tiny.UNIFORM, embedding_dim=4, num_negatives=8
    )
    model.compile(tf.keras.optimizers.Adam(0.05), tf.keras.optimizers.Adam(0.05), 5.0)
    tiny.randomise(model.ranker, scale=0.1)
    items = 1 + size * (users % groups)[:, np.newaxis] + np.arange(size)
    missing = ((users // groups) % size)[:, np.newaxis] == np.arange(size)
    taken = items[~missing].reshape(len(users), -1)
    context = tiny.make_context(np.repeat(users, size - 1).tolist(), [[]] * taken.size)
    train(model, (context, tf.constant(taken.ravel())), 60)
    asked = tiny.make_context(users.tolist(), [[]] * len(users))
    best, _ = exhaustive_top_k(lambda ids: model.rank(asked, ids), groups * size, tf.constant(taken), 1)
    # By chance it would be one in eleven.
    assert np.mean(best[:, 0] == items[missing]) > 0.9
