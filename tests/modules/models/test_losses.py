"""Every loss against its formula worked out by hand, its special cases, and its gradients."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from modules.models import losses

LN2, LN3, LN5 = math.log(2), math.log(3), math.log(5)
HUGE = 1e4


def softmax(values: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, by its definition."""
    exponentials = np.exp(values - np.max(values, axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def normals(*shape: int, seed: int = 0, scale: float = 1.0) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(0, scale, shape), tf.float32)


def gradients(loss: Callable[..., tf.Tensor], *inputs: tf.Tensor) -> list[tf.Tensor | None]:
    """Returns the gradient of the sum of `loss(*inputs)` in each input."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(loss(*inputs))
    return tape.gradient(total, list(inputs))


# Sampled log-softmax.


def test_sampled_log_softmax_is_its_formula() -> None:
    # exp(s - log q): positive 2 / (1/3) = 6; draws 5 / (1/2) = 10 and 1 / (1/4) = 4.
    loss = losses.sampled_log_softmax(
        tf.constant([LN2]), tf.constant([[LN5, 0.0]]), tf.constant([-LN3]), tf.constant([[-LN2, -2 * LN2]])
    )
    np.testing.assert_allclose(loss, [-math.log(6 / (6 + 10 + 4))], rtol=1e-6)


def test_each_row_is_a_context_of_its_own() -> None:
    positive, negative = normals(3), normals(3, 4, seed=1)
    positive_q, negative_q = normals(3, seed=2), normals(3, 4, seed=3)
    expected = []
    for b in range(3):
        own = math.exp(positive[b] - positive_q[b])
        drawn = sum(math.exp(negative[b, j] - negative_q[b, j]) for j in range(4))
        expected.append(-math.log(own / (own + drawn)))
    loss = losses.sampled_log_softmax(positive, negative, positive_q, negative_q)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_with_uniform_draws_the_corrections_vanish() -> None:
    positive, negative = tf.constant([LN3]), tf.constant([[LN2, LN5]])
    q = math.log(1 / 7)
    loss = losses.sampled_log_softmax(positive, negative, tf.fill([1], q), tf.fill([1, 2], q))
    np.testing.assert_allclose(loss, [-math.log(3 / (3 + 2 + 5))], rtol=1e-6)


def test_a_constant_of_the_context_in_log_q_cancels() -> None:
    positive, negative = normals(3), normals(3, 4, seed=1)
    positive_q, negative_q = normals(3, seed=2), normals(3, 4, seed=3)
    shift = tf.constant([-3.0, 0.5, 11.0])
    before = losses.sampled_log_softmax(positive, negative, positive_q, negative_q)
    after = losses.sampled_log_softmax(positive, negative, positive_q + shift, negative_q + shift[:, tf.newaxis])
    np.testing.assert_allclose(after, before, rtol=1e-5)


def test_drawn_from_softmax_of_the_scores_the_loss_is_the_logarithm_of_how_many() -> None:
    positive, negative = normals(3), normals(3, 4, seed=1)
    loss = losses.sampled_log_softmax(positive, negative, positive, negative)
    np.testing.assert_allclose(loss, [math.log(1 + 4)] * 3, rtol=1e-6)
    to_positive, to_negative = gradients(
        lambda p, n: losses.sampled_log_softmax(p, n, positive, negative), positive, negative
    )
    np.testing.assert_allclose(to_positive, [1 / 5 - 1] * 3, rtol=1e-6)
    np.testing.assert_allclose(to_negative, np.full([3, 4], 1 / 5), rtol=1e-6)


def test_masked_draws_count_as_little_as_absent_ones() -> None:
    positive, negative = normals(2), normals(2, 4, seed=1)
    positive_q, negative_q = normals(2, seed=2), normals(2, 4, seed=3)
    mask = tf.constant([[True, False, True, False]] * 2)
    masked = losses.sampled_log_softmax(positive, negative, positive_q, negative_q, mask)
    absent = losses.sampled_log_softmax(positive, negative[:, ::2], positive_q, negative_q[:, ::2])
    np.testing.assert_allclose(masked, absent, rtol=1e-6)
    to_negative = gradients(lambda n: losses.sampled_log_softmax(positive, n, positive_q, negative_q, mask), negative)[
        0
    ]
    np.testing.assert_array_equal(to_negative[:, 1::2], np.zeros([2, 2]))


def test_without_any_draw_that_counts_there_is_nothing_to_lose() -> None:
    mask = tf.zeros([2, 3], tf.bool)
    loss = losses.sampled_log_softmax(normals(2), normals(2, 3), normals(2), normals(2, 3), mask)
    np.testing.assert_array_equal(loss, [0.0, 0.0])


def test_gradient_is_the_corrected_softmax_less_the_positive() -> None:
    positive, negative = normals(2), normals(2, 3, seed=1)
    positive_q, negative_q = normals(2, seed=2), normals(2, 3, seed=3)
    found = gradients(losses.sampled_log_softmax, positive, negative, positive_q, negative_q)
    logits = np.concatenate([(positive - positive_q)[:, tf.newaxis], negative - negative_q], axis=1)
    np.testing.assert_allclose(found[0], softmax(logits)[:, 0] - 1, rtol=1e-5)
    np.testing.assert_allclose(found[1], softmax(logits)[:, 1:], rtol=1e-5)
    assert found[2:] == [None, None]


def test_huge_logits_stay_finite() -> None:
    positive, negative = tf.constant([HUGE, -HUGE]), tf.constant([[-HUGE], [HUGE]])
    zero, zeros = tf.zeros([2]), tf.zeros([2, 1])
    # - log(1 / (1 + exp(-2e4))) = 0 and - log(exp(-2e4) / (exp(-2e4) + 1)) = 2e4.
    np.testing.assert_allclose(losses.sampled_log_softmax(positive, negative, zero, zeros), [0.0, 2 * HUGE])
    found = gradients(lambda p, n: losses.sampled_log_softmax(p, n, zero, zeros), positive, negative)
    np.testing.assert_allclose(found[0], [0.0, -1.0])
    np.testing.assert_allclose(found[1], [[0.0], [1.0]])


# Sampled distillation.


def test_sampled_kl_is_its_formula() -> None:
    # Corrected exponentials: teacher 3 / (1/2) = 6 and 2 -> 3/4, 1/4; student 2 and 2 -> 1/2, 1/2.
    kl = losses.sampled_kl(tf.constant([[LN3, LN2]]), tf.constant([[0.0, LN2]]), tf.constant([[-LN2, 0.0]]))
    expected = 3 / 4 * math.log((3 / 4) / (1 / 2)) + 1 / 4 * math.log((1 / 4) / (1 / 2))
    np.testing.assert_allclose(kl, [expected], rtol=1e-5)


def test_a_student_off_by_a_constant_has_learnt_everything() -> None:
    teacher, log_q = normals(3, 5), normals(3, 5, seed=1)
    np.testing.assert_allclose(losses.sampled_kl(teacher, teacher + 7.0, log_q), np.zeros(3), atol=1e-6)


def test_kl_is_positive_and_a_constant_in_log_q_cancels() -> None:
    teacher, student, log_q = normals(50, 5), normals(50, 5, seed=1), normals(50, 5, seed=2)
    kl = losses.sampled_kl(teacher, student, log_q)
    assert np.all(kl > 0)
    np.testing.assert_allclose(losses.sampled_kl(teacher, student, log_q + 4.0), kl, rtol=1e-3, atol=1e-6)


def test_kl_gradient_moves_the_student_alone() -> None:
    teacher, student, log_q = normals(2, 4), normals(2, 4, seed=1), normals(2, 4, seed=2)
    to_teacher, to_student, to_log_q = gradients(losses.sampled_kl, teacher, student, log_q)
    assert to_teacher is None
    assert to_log_q is None
    np.testing.assert_allclose(to_student, softmax(student - log_q) - softmax(teacher - log_q), rtol=1e-4, atol=1e-6)


def test_drawn_from_softmax_of_the_student_its_corrected_logits_are_constant() -> None:
    student = normals(3, 6)
    logits = losses.corrected_logits(student, student)
    np.testing.assert_array_equal(logits, np.zeros([3, 6]))


def test_drawn_from_softmax_of_the_student_kl_falls_as_the_entropy_of_the_difference_rises() -> None:
    teacher, student = normals(3, 6), normals(3, 6, seed=1)
    p = softmax((teacher - student).numpy().astype(np.float64))
    entropy = -np.sum(p * np.log(p), axis=1)
    # KL(softmax(R - M) || uniform over S) = log L - H(softmax(R - M)).
    kl = losses.sampled_kl(teacher, student, student)
    np.testing.assert_allclose(kl, math.log(6) - entropy, rtol=1e-4)

    descent = -gradients(lambda s: losses.sampled_kl(teacher, s, student), student)[0].numpy()
    np.testing.assert_allclose(descent, p - 1 / 6, rtol=1e-4, atol=1e-6)
    # dH / dM_i = p_i (log p_i + H), since R - M falls where M rises; a step of descent goes along with it.
    entropy_gradient = p * (np.log(p) + entropy[:, np.newaxis])
    assert np.all(np.sum(descent * entropy_gradient, axis=1) > 0)
    q = softmax((teacher - student).numpy() - 0.1 * descent)
    assert np.all(-np.sum(q * np.log(q), axis=1) > entropy)


def test_where_teacher_and_student_agree_the_entropy_is_at_its_maximum_and_nothing_moves() -> None:
    student = normals(3, 6)
    found = gradients(lambda s: losses.sampled_kl(student - 2.0, s, student), student)[0]
    np.testing.assert_allclose(found, np.zeros([3, 6]), atol=1e-7)


def test_masked_draws_do_not_teach() -> None:
    teacher, student, log_q = normals(2, 4), normals(2, 4, seed=1), normals(2, 4, seed=2)
    mask = tf.constant([[True, False, True, False], [False] * 4])
    kl = losses.sampled_kl(teacher, student, log_q, mask)
    absent = losses.sampled_kl(teacher[:1, ::2], student[:1, ::2], log_q[:1, ::2])
    np.testing.assert_allclose(kl, [float(absent[0]), 0.0], rtol=1e-5)
    to_student = gradients(lambda s: losses.sampled_kl(teacher, s, log_q, mask), student)[0].numpy()
    np.testing.assert_array_equal(to_student[0, 1::2], [0.0, 0.0])
    np.testing.assert_array_equal(to_student[1], np.zeros(4))
    assert np.any(to_student[0, ::2] != 0)


def test_kl_of_huge_logits_is_finite() -> None:
    teacher, student = tf.constant([[HUGE, -HUGE, 0.0]]), tf.constant([[-HUGE, HUGE, 0.0]])
    mask = tf.constant([[True, True, False]])
    # All of the teacher lies on the first draw, where log P_M = -2e4.
    np.testing.assert_allclose(losses.sampled_kl(teacher, student, tf.zeros([1, 3]), mask), [2 * HUGE])
    found = gradients(lambda s: losses.sampled_kl(teacher, s, tf.zeros([1, 3]), mask), student)[0]
    np.testing.assert_allclose(found, [[-1.0, 1.0, 0.0]])


# The entropy form of the distillation.


def test_sampled_entropy_is_its_formula() -> None:
    # exp(R - M): 6 / 2 = 3 and 1 -> 3/4, 1/4.
    entropy = losses.sampled_entropy(tf.constant([[math.log(6), 0.0]]), tf.constant([[LN2, 0.0]]))
    np.testing.assert_allclose(entropy, [-(3 / 4 * math.log(3 / 4) + 1 / 4 * math.log(1 / 4))], rtol=1e-6)


def test_drawn_from_softmax_of_the_student_kl_is_the_log_count_less_the_entropy() -> None:
    teacher, student = normals(3, 6), normals(3, 6, seed=1)
    log_q = student - tf.constant([[2.0], [-1.0], [0.5]])
    mask = tf.constant([[True] * 6, [True, False, True, True, False, True], [False] * 6])
    kl = losses.sampled_kl(teacher, student, log_q, mask)
    entropy = losses.sampled_entropy(teacher, student, mask)
    np.testing.assert_allclose(kl, [math.log(6) - entropy[0], math.log(4) - entropy[1], 0.0], rtol=1e-4)


def test_entropy_and_kl_agree_in_value_and_differ_in_gradient() -> None:
    teacher, student = normals(3, 6), normals(3, 6, seed=1)
    p = softmax((teacher - student).numpy().astype(np.float64))
    entropy = -np.sum(p * np.log(p), axis=1, keepdims=True)
    by_kl = gradients(lambda s: losses.sampled_kl(teacher, s, student), student)[0]
    to_teacher, to_student = gradients(lambda t, s: -losses.sampled_entropy(t, s), teacher, student)
    assert to_teacher is None
    np.testing.assert_allclose(by_kl, 1 / 6 - p, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(to_student, -p * (np.log(p) + entropy), rtol=1e-4, atol=1e-6)
    assert np.all(np.sum(by_kl * to_student, axis=1) > 0)
    constant = gradients(lambda s: losses.sampled_entropy(student + 3.0, s), student)[0]
    np.testing.assert_allclose(constant, np.zeros([3, 6]), atol=1e-6)


def test_entropy_of_masked_and_of_huge_scores_is_finite() -> None:
    teacher, student = tf.constant([[HUGE, -HUGE, 0.0]] * 2), tf.constant([[-HUGE, HUGE, 0.0]] * 2)
    mask = tf.constant([[True, True, False], [False] * 3])
    np.testing.assert_array_equal(losses.sampled_entropy(teacher, student, mask), [0.0, 0.0])
    found = gradients(lambda s: losses.sampled_entropy(teacher, s, mask), student)[0]
    np.testing.assert_array_equal(found, np.zeros([2, 3]))


def test_sampled_entropy_refuses_shapes_that_disagree() -> None:
    with pytest.raises(ValueError, match="`teacher_scores`, `student_scores` must .* Received: "):
        losses.sampled_entropy(tf.zeros([2, 3]), tf.zeros([2, 4]))


# Losses without a proposal.


def test_full_log_softmax_leaves_the_padding_out() -> None:
    scores = tf.constant([[HUGE, LN2, LN3, LN5], [-HUGE, LN2, LN3, LN5]])
    loss = losses.full_log_softmax(scores, tf.constant([2, 3], tf.int64))
    np.testing.assert_allclose(loss, [-math.log(3 / 10), -math.log(5 / 10)], rtol=1e-6)
    found = gradients(lambda s: losses.full_log_softmax(s, tf.constant([2, 3], tf.int64)), scores)[0]
    np.testing.assert_allclose(found, [[0, 0.2, 0.3 - 1, 0.5], [0, 0.2, 0.3, 0.5 - 1]], rtol=1e-5)


def test_binary_cross_entropy_is_its_formula() -> None:
    # sigmoid(log 3) = 3/4, sigmoid(log 2) = 2/3, sigmoid(0) = 1/2.
    loss = losses.binary_cross_entropy(tf.constant([LN3]), tf.constant([[LN2, 0.0]]))
    expected = -math.log(3 / 4) - (math.log(1 - 2 / 3) + math.log(1 - 1 / 2)) / 2
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


def test_bayesian_personalized_ranking_is_its_formula() -> None:
    # sigmoid(log 6 - log 2) = 3/4, sigmoid(log 6 - log 3) = 2/3.
    loss = losses.bayesian_personalized_ranking(tf.constant([math.log(6)]), tf.constant([[LN2, LN3]]))
    np.testing.assert_allclose(loss, [-(math.log(3 / 4) + math.log(2 / 3)) / 2], rtol=1e-6)


@pytest.mark.parametrize("loss", [losses.binary_cross_entropy, losses.bayesian_personalized_ranking])
def test_losses_without_proposal_average_over_the_draws_that_count(loss: Callable[..., tf.Tensor]) -> None:
    positive, negative = normals(3), normals(3, 4, seed=1)
    mask = tf.constant([[True, False, True, False]] * 3)
    np.testing.assert_allclose(loss(positive, negative, mask), loss(positive, negative[:, ::2]), rtol=1e-6)
    found = gradients(lambda n: loss(positive, n, mask), negative)[0]
    np.testing.assert_array_equal(found[:, 1::2], np.zeros([3, 2]))
    none = loss(positive, negative, tf.zeros_like(mask))
    expected = tf.nn.softplus(-positive) if loss is losses.binary_cross_entropy else tf.zeros([3])
    np.testing.assert_allclose(none, expected)


@pytest.mark.parametrize("loss", [losses.binary_cross_entropy, losses.bayesian_personalized_ranking])
def test_losses_without_proposal_stay_finite(loss: Callable[..., tf.Tensor]) -> None:
    positive, negative = tf.constant([HUGE, -HUGE]), tf.constant([[-HUGE], [HUGE]])
    right, wrong = loss(positive, negative).numpy()
    assert right == 0
    # BCE loses 1e4 on either side; BPR the difference of 2e4.
    assert wrong == 2 * HUGE
    assert all(np.all(np.isfinite(found)) for found in gradients(loss, positive, negative))


# Shapes.


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (([2], [2, 3], [3], [2, 3]), r"`positive_scores`, `positive_log_q` must .* Received: .*\(2,\).*\(3,\)"),
        (([2], [2, 3], [2], [2, 4]), r"`negative_scores`, `negative_log_q` must .* Received: .*\(2, 3\).*\(2, 4\)"),
        (([2], [2, 3], [2], [2]), r"`negative_scores`, `negative_log_q` must .* Received: "),
    ],
)
def test_sampled_log_softmax_refuses_shapes_that_disagree(shapes: tuple[list[int], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        losses.sampled_log_softmax(*(tf.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("wrong", range(3))
def test_sampled_kl_refuses_shapes_that_disagree(wrong: int) -> None:
    inputs = [tf.zeros([2, 4 if place == wrong else 3]) for place in range(3)]
    with pytest.raises(ValueError, match="`teacher_scores`, `student_scores`, `log_q` must .* Received: "):
        losses.sampled_kl(*inputs)


def test_shapes_known_only_at_run_time_are_accepted() -> None:
    flat, wide = tf.TensorSpec([None], tf.float32), tf.TensorSpec([None, None], tf.float32)
    traced = tf.function(losses.sampled_log_softmax, input_signature=[flat, wide, flat, wide], autograph=False)
    np.testing.assert_allclose(traced(*[tf.zeros([2]), tf.zeros([2, 3])] * 2), [math.log(4)] * 2, rtol=1e-6)
