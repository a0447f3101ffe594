"""Training on masked items: what is hidden, and what the loss is of."""

import math

import numpy as np
import pytest
import tensorflow as tf

from modules.models.algorithms.masked_items import MaskedItems
from tests.modules import tiny
from tests.modules.models.algorithms.batches import BATCH, CONTEXT, POSITIVES, SEED

BERT4REC = {"name": "bert4rec", "blocks": 1, "dropout": 0.0}
ITEMS = tf.concat([CONTEXT.history, POSITIVES[:, tf.newaxis]], axis=1)


def make_model(**options: float) -> MaskedItems:
    algorithm = {"name": "masked_items", **options}
    model = tiny.make_model(retriever=BERT4REC, ranker={"name": "none"}, algorithm=algorithm)
    model.retriever.query(CONTEXT)
    tiny.randomise(model.retriever)
    return model


@pytest.mark.parametrize(("mask_share", "last_only_share"), [(0.2, 0.1), (0.5, 0.0), (0.9, 0.5), (0.3, 1.0)])
def test_items_are_hidden_at_the_rates_asked_for(mask_share: float, last_only_share: float) -> None:
    rows = 20_000
    masked = make_model(mask_share=mask_share, last_only_share=last_only_share).mask(tf.tile(ITEMS, [rows, 1]), SEED)
    by_row = masked.numpy().reshape(rows, *ITEMS.shape)
    for row, items in enumerate(ITEMS.numpy()):
        places = np.flatnonzero(items)
        found = by_row[:, row]
        assert not found[:, items == 0].any()
        assert found.any(axis=1).all()
        # Where nothing was chosen, or the last alone is asked for, the last is hidden.
        nothing = (1 - mask_share) ** len(places)
        expected = np.full(len(places), (1 - last_only_share) * mask_share)
        expected[-1] = last_only_share + (1 - last_only_share) * (mask_share + nothing)
        deviation = np.sqrt(expected * (1 - expected) / rows)
        assert np.all(np.abs(found[:, places].mean(axis=0) - expected) <= 4 * deviation + 1e-9)


def test_rows_are_masked_independently_and_by_the_seed() -> None:
    model, items = make_model(mask_share=0.5, last_only_share=0.0), tf.tile(ITEMS[:1], [50, 1])
    first, again, other = (model.mask(items, seed).numpy() for seed in (SEED, SEED, SEED + [0, 1]))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    assert len(np.unique(first, axis=0)) > 10


def test_the_loss_is_the_full_softmax_averaged_over_the_gaps() -> None:
    model = make_model(mask_share=0.6)
    masked = model.mask(ITEMS, SEED).numpy()
    assert masked.sum() > 3
    filled = model.retriever.fill(ITEMS, tf.constant(masked)).numpy()
    table = model.retriever.all_candidates().numpy()
    expected = []
    for row, place in zip(*np.nonzero(masked), strict=True):
        scores = table[1:] @ filled[row, place]
        expected.append(math.log(np.exp(scores).sum()) - scores[ITEMS.numpy()[row, place] - 1])
    found = model.batch_losses(*BATCH, SEED)
    assert float(found.total) == pytest.approx(np.mean(expected), rel=1e-4)
    assert float(found.logged["loss"]) == float(found.total)


def test_a_step_moves_every_weight_of_the_retriever_and_the_answer_is_its_own() -> None:
    model = make_model(mask_share=0.5)
    before = [weight.numpy() for weight in model.retriever.trainable_variables]
    logged = model.train_step(BATCH)
    assert set(logged) == {"loss", "retriever_gradient_norm", "ranker_gradient_norm"}
    assert float(logged["ranker_gradient_norm"]) == 0
    for old, new in zip(before, model.retriever.trainable_variables, strict=True):
        # A softmax does not feel a constant added to all its keys.
        assert np.any(old != new.numpy()) or "key/bias" in new.name, new.name
    ids, scores = model.retrieve(CONTEXT, 5)
    np.testing.assert_allclose(model.rank(CONTEXT, ids), scores, rtol=1e-5)


def test_retrievers_that_cannot_fill_gaps_are_refused() -> None:
    expected = r"`model.retriever.name` must be one .* `masked_items`: one of \['bert4rec'\]. Received: 'sasrec'."
    with pytest.raises(ValueError, match=expected):
        tiny.make_model(retriever=tiny.SASREC, algorithm={"name": "masked_items"})
