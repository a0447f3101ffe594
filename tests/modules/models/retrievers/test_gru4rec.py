"""GRU4Rec against the recurrence, run over each history without its padding."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.retrievers.gru4rec import GRU4Rec
from tests.modules.models.retrievers.random_retrievers import CONTEXT, HISTORIES, make_retriever


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def recurrence(cell: tf.keras.layers.GRUCell, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The states after each input (Hidasi et al., equations 1 to 4); Keras's z keeps where the paper's renews."""
    kernel, recurrent, bias = (np.split(weight.numpy(), 3, axis=-1) for weight in cell.weights)
    state, states = np.zeros(cell.units), []
    for x in inputs:
        z, r = (sigmoid(x @ kernel[i] + state @ recurrent[i] + bias[i]) for i in (0, 1))
        proposed = np.tanh(x @ kernel[2] + (r * state) @ recurrent[2] + bias[2])
        state = z * state + (1 - z) * proposed
        states.append(state)
    return states


def query_by_hand(retriever: GRU4Rec, history: list[int]) -> np.ndarray:
    states = list(retriever.all_candidates().numpy()[history])
    for layer in retriever._layers:
        states = recurrence(layer.cell, states)
    last = states[-1] if states else np.zeros(retriever._layers[-1].cell.units)
    return last @ retriever._output.kernel.numpy() + retriever._output.bias.numpy()


@pytest.mark.parametrize("layers", [1, 3])
def test_queries_are_those_of_the_recurrence(layers: int) -> None:
    retriever = make_retriever("gru4rec", layers=layers)
    expected = [query_by_hand(retriever, history) for history in HISTORIES]
    np.testing.assert_allclose(retriever.query(CONTEXT), expected, rtol=1e-4, atol=1e-5)


def test_the_state_stays_zero_through_the_padding() -> None:
    retriever = make_retriever("gru4rec", layers=1)
    layer = retriever._layers[0]
    layer.cell.bias.assign_add(tf.ones_like(layer.cell.bias))
    present = CONTEXT.history[4:] != 0
    np.testing.assert_array_equal(layer(tf.ones([1, 5, 8]), mask=present), np.zeros([1, 6]))
    assert np.abs(layer(tf.ones([1, 5, 8]))).min() > 1e-3
