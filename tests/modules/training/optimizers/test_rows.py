"""Optimisers that step by row, beside Keras's Adam and beside closed forms."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.training.config import TrainingConfig
from modules.training.optimizers.config import OptimizerConfig
from modules.training.optimizers.lazy_adam import CATCH_UP_STEPS, LazyAdam
from modules.training.optimizers.row_adagrad import RowAdagrad

RATE, ROWS, WIDTH = 0.01, 5, 3
Gradient = tf.Tensor | tf.IndexedSlices


def start() -> np.ndarray:
    return np.random.default_rng(1).normal(size=[ROWS, WIDTH]).astype(np.float32)


def gradients(steps: int, rows: Callable[[int], list[int]]) -> list[tf.IndexedSlices]:
    """Returns a step's gradient of the rows it touches, which may name a row twice."""
    rng = np.random.default_rng(2)
    return [
        tf.IndexedSlices(tf.constant(rng.normal(size=[len(rows(step)), WIDTH]), tf.float32), rows(step), [ROWS, WIDTH])
        for step in range(steps)
    ]


def train(optimizer: tf.keras.optimizers.Optimizer, table: tf.Variable, steps: list[Gradient]) -> np.ndarray:
    for gradient in steps:
        optimizer.apply_gradients([(gradient, table)])
    return table.numpy()


def lazy_and_dense(steps: list[Gradient], weight_decay: float) -> tuple[np.ndarray, np.ndarray]:
    lazy, dense = tf.Variable(start()), tf.Variable(start())
    ours = train(LazyAdam(RATE, lambda: [lazy], weight_decay), lazy, steps)
    keras = tf.keras.optimizers.Adam(RATE, weight_decay=weight_decay or None)
    return ours, train(keras, dense, steps)


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_lazy_adam_is_adam_where_every_step_touches_every_row(weight_decay: float) -> None:
    sparse = gradients(40, lambda step: [0, 1, 2, 3, 4, step % ROWS])
    for steps in (sparse, [tf.convert_to_tensor(gradient) for gradient in sparse]):
        ours, keras = lazy_and_dense(steps, weight_decay)
        np.testing.assert_allclose(ours, keras, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_lazy_adam_moves_a_row_for_the_steps_it_was_left_out_of(weight_decay: float) -> None:
    """The last row has a gradient at step 1, is left out of 6 steps, and has one at step 8; row 1 is in every step.

    The last row's turn to catch up is step 32. The bias-corrected step size of the skipped steps is that of
    step 2, the first of them.
    """
    steps = gradients(8, lambda step: [4, 1] if step in (0, 7) else [1])
    table = tf.Variable(start())
    optimizer = LazyAdam(RATE, lambda: [table], weight_decay)
    ours = train(optimizer, table, steps)

    def alpha(step: int) -> float:
        return RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)

    w, first, last = start()[4].astype(np.float64), steps[0].values[0].numpy(), steps[-1].values[0].numpy()
    kept = 1 - RATE * weight_decay
    m, v = 0.1 * first, 0.001 * first**2
    w = kept * w - alpha(1) * m / (np.sqrt(v) + 1e-7)
    direction = m / (np.sqrt(v) + 1e-7)
    for skipped in range(1, 7):
        w = kept * w - alpha(2) * direction * (0.9 / np.sqrt(0.999)) ** skipped
    m, v = 0.9**7 * m + 0.1 * last, 0.999**7 * v + 0.001 * last**2
    w = kept * w - alpha(8) * m / (np.sqrt(v) + 1e-7)
    np.testing.assert_allclose(ours[4], w, rtol=1e-5)


def test_lazy_adam_ends_near_adam_where_rows_are_skipped() -> None:
    rng = np.random.default_rng(3)
    touched = [[1, *rng.choice([0, 2, 3], size=1).tolist()] for _ in range(400)]
    # Without another gradient, so that every row catches up with what it has got.
    steps = gradients(400 + 2 * CATCH_UP_STEPS, lambda step: touched[step] if step < 400 else [4])
    ours, keras = lazy_and_dense(steps, 0.0)
    assert np.abs(keras - start())[:4].max() > 0.1
    np.testing.assert_allclose(ours, keras, atol=0.01)


def test_row_adagrad_divides_by_the_mean_square_of_all_gradients_of_a_row() -> None:
    table = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    other = tf.Variable([0.5])
    optimizer = RowAdagrad(0.001, lambda: [table], table_learning_rate=0.1)
    sparse = tf.IndexedSlices(tf.constant([[1.0, 0.0], [2.0, 4.0]]), [1, 1], [2, 2])
    optimizer.apply_gradients([(sparse, table), (tf.constant([2.0]), other)])
    # One row, whose gradients add up to (3, 4): mean square 12.5.
    expected = np.array([[1.0, 2.0], [3 - 0.3 / 12.5**0.5, 4 - 0.4 / 12.5**0.5]])
    np.testing.assert_allclose(table.numpy(), expected, rtol=1e-6)
    # Adam's first step is its step size.
    np.testing.assert_allclose(other.numpy(), [0.499], rtol=1e-5)
    optimizer.apply_gradients([(tf.constant([[0.0, 0.0], [0.0, 5.0]]), table), (tf.constant([2.0]), other)])
    expected[1, 1] -= 0.5 / 25**0.5
    np.testing.assert_allclose(table.numpy(), expected, rtol=1e-6)


MAKERS = {
    "lazy_adam": lambda tables: LazyAdam(RATE, tables),
    "row_adagrad": lambda tables: RowAdagrad(RATE, tables, 0.1),
}


@pytest.mark.parametrize(("name", "values"), [("lazy_adam", 2 * WIDTH + 1), ("row_adagrad", 1)])
def test_what_a_row_keeps(name: str, values: int) -> None:
    table = tf.Variable(start())
    optimizer = MAKERS[name](lambda: [table])
    train(optimizer, table, gradients(1, lambda _: [0]))
    state = [variable for variable in optimizer.variables if variable.shape.rank]
    assert sum(variable.shape.num_elements() for variable in state) == values * ROWS


@pytest.mark.parametrize("name", list(MAKERS))
def test_a_checkpoint_holds_what_a_row_has_seen(name: str, tmp_path: Path) -> None:
    steps = gradients(9, lambda step: [step % 3])
    table = tf.Variable(start())
    optimizer = MAKERS[name](lambda: [table])
    train(optimizer, table, steps[:5])
    saved = tf.train.Checkpoint(table=table, optimizer=optimizer).save(str(tmp_path / "state"))
    unbroken = train(optimizer, table, steps[5:])

    again = tf.Variable(np.zeros_like(start()))
    resumed = MAKERS[name](lambda: [again])
    # Restored before the optimiser has its state, as a training that resumes does.
    status = tf.train.Checkpoint(table=again, optimizer=resumed).restore(saved)
    np.testing.assert_array_equal(train(resumed, again, steps[5:]), unbroken)
    status.assert_consumed()


def test_row_adagrad_refuses_weight_decay() -> None:
    with pytest.raises(ValueError, match=r"`training.weight_decay` must be 0 .*Received: 0.1"):
        TrainingConfig(weight_decay=0.1, optimizer=OptimizerConfig(name="row_adagrad"))
