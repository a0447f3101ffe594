"""Every algorithm learns a planted structure: the loss falls, and what was withheld comes first."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from modules.models.context import Context
from tests.modules import tiny
from tests.modules.models.algorithms.steps import train

GROUPS, GROUP_SIZE, USERS = 3, 5, 30
ITEMS = GROUPS * GROUP_SIZE
CALM_DEEPFM = {**tiny.DEEPFM, "dropout": 0.0}
ALGORITHMS = [
    {"name": "corr", "kl_weight": 0.0},
    {"name": "corr", "kl_weight": 1.0, "shared_draws": 0},
    {"name": "independent", "loss": "sampled_softmax"},
    {"name": "independent", "loss": "binary_cross_entropy"},
    {"name": "icc", "loss": "sampled_softmax"},
    {"name": "rankflow", "warmup_epochs": 2, "top_k": 10, "tutor_top": 4, "loss": "sampled_softmax"},
    {"name": "rankflow", "warmup_epochs": 2, "top_k": 10, "tutor_top": 4, "loss": "binary_cross_entropy"},
    {"name": "retriever_only", "loss": "full_softmax"},
    {"name": "retriever_only", "loss": "sampled_softmax"},
    {"name": "retriever_only", "loss": "bpr"},
    {"name": "retriever_only", "loss": "binary_cross_entropy"},
]
DSSM = {"name": "dssm", "hidden_units": [8], "dropout": 0.0}


def two_stage_answer(model: TwoStageModel, context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Returns each context's best item of the first stage and of both."""
    retrieved, _ = model.retrieve(context, 5)
    best = tf.argmax(model.rank(context, retrieved), axis=1)
    return retrieved[:, 0].numpy(), tf.gather(retrieved, best, batch_dims=1).numpy()


@pytest.mark.parametrize(
    ("algorithm", "retriever"),
    [
        *((algorithm, tiny.MF) for algorithm in ALGORITHMS),
        ({"name": "retriever_only", "loss": "sampled_softmax"}, DSSM),
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_a_groups_missing_item_comes_first(algorithm: dict[str, Any], retriever: dict[str, Any]) -> None:
    """Users take the items of their group, each but for one that the others of the group have."""
    ranker = {"name": "none"} if algorithm["name"] == "retriever_only" else CALM_DEEPFM
    model = tiny.make_model(
        tiny.make_corpus(ITEMS, USERS),
        retriever=retriever,
        ranker=ranker,
        sampler=tiny.MIDX if algorithm["name"] == "corr" else tiny.UNIFORM,
        # Too narrow to learn by heart who lacks what.
        embedding_dim=4,
        num_negatives=8,
        algorithm=algorithm,
    )
    model.compile(tf.keras.optimizers.Adam(0.05), tf.keras.optimizers.Adam(0.05), 5.0)
    users = np.arange(1, USERS + 1)
    groups = 1 + GROUP_SIZE * (users % GROUPS)[:, np.newaxis] + np.arange(GROUP_SIZE)
    missing = (users // GROUPS) % GROUP_SIZE
    withheld = groups[np.arange(USERS), missing]
    taken = groups[np.arange(GROUP_SIZE) != missing[:, np.newaxis]].reshape(USERS, -1)
    context = tiny.make_context(np.repeat(users, taken.shape[1]).tolist(), [[]] * taken.size)
    # The product of two stages is not too narrow for long.
    steps = 25 if algorithm["name"] == "icc" else 50
    losses = train(model, (context, tf.constant(taken.ravel())), steps)
    assert np.mean(losses[-3:]) < 0.75 * np.mean(losses[:3])

    asked = tiny.make_context(users.tolist(), [[]] * USERS, exclude=taken)
    for answer in two_stage_answer(model, asked):
        np.testing.assert_array_equal(answer, withheld)


@pytest.mark.parametrize(
    ("retriever", "algorithm"),
    [
        (tiny.SASREC, {"name": "corr"}),
        ({"name": "caser"}, {"name": "retriever_only"}),
        ({"name": "gru4rec"}, {"name": "retriever_only"}),
        ({"name": "bert4rec", "blocks": 1}, {"name": "masked_items", "last_only_share": 0.5}),
    ],
    ids=["sasrec-corr", "caser", "gru4rec", "bert4rec"],
)
def test_the_next_item_of_an_unseen_history_comes_first(retriever: dict[str, Any], algorithm: dict[str, Any]) -> None:
    """Item i is followed by i + 1; trained on histories of two, three and five items, asked with four."""
    model = tiny.make_model(
        tiny.make_corpus(ITEMS, 1),
        retriever={**retriever, "dropout": 0.0},
        ranker={**tiny.DIN, "dropout": 0.0} if algorithm["name"] == "corr" else {"name": "none"},
        sampler=tiny.MIDX,
        num_negatives=8,
        algorithm=algorithm,
    )

    def histories(length: int) -> list[list[int]]:
        return [[1 + (last - i) % ITEMS for i in reversed(range(length))] for last in range(ITEMS)]

    successors = tf.constant([1 + (last + 1) % ITEMS for last in range(ITEMS)], tf.int64)
    trained = tiny.make_context([1] * 3 * ITEMS, histories(2) + histories(3) + histories(5))
    losses = train(model, (trained, tf.tile(successors, [3])), 120)
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    asked = tiny.make_context([1] * ITEMS, histories(4))
    for answer in two_stage_answer(model, asked._replace(exclude=asked.history)):
        np.testing.assert_array_equal(answer, successors)
