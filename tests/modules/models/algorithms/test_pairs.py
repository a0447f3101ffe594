"""A retriever works under any ranker that reads the same task."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.build import check_parts
from modules.models.corpus import FeatureTable
from modules.models.rankers import RANKERS
from modules.models.retrievers import RETRIEVERS
from modules.models.retrievers.closed_form import ClosedForm
from tests.modules import tiny
from tests.modules.models.algorithms.batches import BATCH, CONTEXT


def pairs() -> list[tuple[str, str, str]]:
    """Returns (task, retriever, ranker) so that each task meets every registered name that can read it and learns."""
    chosen = []
    for task in ("general", "sequential"):
        able = [
            [name for name in registry if task in registry[name].TASKS and not issubclass(registry[name], ClosedForm)]
            for registry in (RETRIEVERS, RANKERS)
        ]
        longest = max(map(len, able))
        chosen += [(task, *(names[i % len(names)] for names in able)) for i in range(longest)]
    return chosen


@pytest.mark.parametrize(("task", "retriever", "ranker"), pairs())
def test_a_pair_takes_a_step_and_gives_finite_scores(task: str, retriever: str, ranker: str) -> None:
    genres = FeatureTable(np.arange(21)[:, np.newaxis] % 4, 4)
    towns = FeatureTable(np.arange(7)[:, np.newaxis] % 3, 3)
    corpus = tiny.make_corpus(item_features={"genres": genres}, user_features={"town": towns})
    model = tiny.make_model(corpus, retriever={"name": retriever}, ranker={"name": ranker}, sampler=tiny.MIDX)
    check_parts(model.config, task)
    context, positives = BATCH
    if task == "general":
        context = context._replace(history=tf.zeros_like(CONTEXT.history))
    logged = model.train_step((context, positives))
    assert all(np.isfinite(value) for value in logged.values())
    ids, scores = model.retrieve(context, 5)
    assert np.all(np.isfinite(scores))
    found = model.rank(context, ids)
    assert found.shape == (3, 5)
    assert np.all(np.isfinite(found))
