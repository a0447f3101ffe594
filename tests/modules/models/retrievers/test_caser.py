"""Caser against the published form, run over each history without its padding."""

import numpy as np
import pytest

from modules.models.retrievers.caser import Caser
from tests.modules import tiny
from tests.modules.models.retrievers.random_retrievers import CONTEXT, HISTORIES, make_retriever


def relu(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, 0)


def horizontal(image: np.ndarray, filters: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The strongest response of each filter `[h, d]` of `filters` `[h, d, F]` to the windows of `image` `[n, d]`."""
    height = len(filters)
    if not len(image):
        return np.zeros_like(bias)
    if len(image) < height:
        image = np.concatenate([np.zeros([height - len(image), image.shape[1]]), image])
    windows = (image[i : i + height] for i in range(len(image) - height + 1))
    return np.max([relu(np.einsum("hd,hdf->f", window, filters) + bias) for window in windows], axis=0)


def published_form(retriever: Caser, user: int, history: list[int]) -> np.ndarray:
    image = retriever._history_items.numpy()[history].reshape(-1, tiny.WIDTH)
    features = []
    for height, layer in enumerate(retriever._horizontal, 1):
        kernel = layer.kernel.numpy().reshape(height, tiny.WIDTH, -1)
        features.append(horizontal(image, kernel, layer.bias.numpy()))
    # The latest item meets the last row of a vertical filter.
    rows = retriever._vertical.numpy()[tiny.HISTORY - len(history) :]
    features += [sum((weight * item for weight, item in zip(f, image, strict=True)), np.zeros(8)) for f in rows.T]
    hidden = relu(np.concatenate(features) @ retriever._hidden.kernel.numpy() + retriever._hidden.bias.numpy())
    of_user = retriever._users.numpy()[user] if user else np.zeros(tiny.WIDTH)
    return np.concatenate([hidden, of_user]) @ retriever._output.kernel.numpy() + retriever._output.bias.numpy()


@pytest.mark.parametrize("max_height", [1, 3, 5])
def test_queries_are_those_of_the_published_form(max_height: int) -> None:
    retriever = make_retriever("caser", max_height=max_height)
    assert len(retriever._horizontal) == max_height
    users = CONTEXT.user.numpy()
    expected = [published_form(retriever, user, history) for user, history in zip(users, HISTORIES, strict=True)]
    np.testing.assert_allclose(retriever.query(CONTEXT), expected, rtol=1e-4, atol=1e-5)


def test_filters_are_no_higher_than_the_history_is_long() -> None:
    retriever = make_retriever("caser", length=2, max_height=5)
    assert len(retriever._horizontal) == 2
    assert retriever.query(tiny.make_context([1], [[1, 2]], 2)).shape == (1, tiny.WIDTH)


def test_windows_of_padding_do_not_count_however_strong_the_filters_bias() -> None:
    retriever = make_retriever("caser")
    for layer in retriever._horizontal:
        layer.bias.assign([50.0] * 4)
        layer.kernel.assign(-abs(layer.kernel))
    retriever._history_items.assign(abs(retriever._history_items))
    users = CONTEXT.user.numpy()
    expected = [published_form(retriever, user, history) for user, history in zip(users, HISTORIES, strict=True)]
    np.testing.assert_allclose(retriever.query(CONTEXT), expected, rtol=1e-4, atol=1e-3)


def test_candidates_and_history_have_tables_of_their_own() -> None:
    retriever = make_retriever("caser")
    query = retriever.query(CONTEXT)
    retriever.all_candidates().assign_add([[1.0] * tiny.WIDTH] * 21)
    np.testing.assert_array_equal(retriever.query(CONTEXT), query)
