"""SASRec against the causal transformer run over all positions."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.retrievers.sasrec import SASRec
from tests.modules import tiny
from tests.modules.models.retrievers.random_retrievers import CONTEXT, known, make_retriever


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_last_position_alone_is_that_of_the_causal_transformer(blocks: int) -> None:
    """The last block attends from the latest position only; run over all of them its last row must be the same."""
    retriever = make_retriever("sasrec", blocks=blocks)
    history = CONTEXT.history
    present = (history != 0)[:, tf.newaxis, :]
    causal = tf.linalg.band_part(tf.ones([1, 5, 5], tf.bool), -1, 0)
    weights = tiny.weights_by_name(retriever)
    hidden = tf.gather(retriever.all_candidates(), history) + weights["position_embeddings"]
    for block in retriever._encoder.blocks:
        hidden = block(hidden, causal & present)
    expected = retriever._output_norm(hidden)[:, -1]
    rows = known(retriever)
    np.testing.assert_allclose(retriever.query(CONTEXT)[rows], expected[rows], rtol=1e-4, atol=1e-5)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="`retriever.heads` must divide `embedding_dim`. Received: heads=3, .*=8"):
        SASRec(tiny.make_corpus(), tiny.make_config(), SASRec.Options(heads=3), seed=1)
