"""The losses, as pure functions of scores and proposal log-probabilities; each returns one value an example.

Notation of "Cooperative Retriever and Ranker in Deep Recommenders" (Huang et al., WWW 2023): S = {o_1 .. o_L} is drawn
with replacement from the proposal Q(.|c); log q may be off by a constant per context, which cancels in every loss here.
"""

import tensorflow as tf


def _check_same_shape(**tensors: tf.Tensor) -> None:
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    first, *others = shapes.values()
    if not all(first.is_compatible_with(other) for other in others):
        raise ValueError(
            f"{', '.join(f'`{name}`' for name in shapes)} must have the same shape. "
            f"Received: {', '.join(f'{name}.shape={shape}' for name, shape in shapes.items())}."
        )


def sampled_log_softmax(
    positive_scores: tf.Tensor,
    negative_scores: tf.Tensor,
    positive_log_q: tf.Tensor,
    negative_log_q: tf.Tensor,
    negative_mask: tf.Tensor | None = None,
) -> tf.Tensor:
    """The importance-corrected sampled log-softmax (CoRR section 4.1.2; Bengio and Senecal 2008).

        - log [ exp(s_k - log q_k) / sum_{i in S + {k}} exp(s_i - log q_i) ]

    It approaches the full log-softmax loss as L grows. No gradient flows through log q.

    Args:
      positive_scores: float32 `[B]`, the scores s_k of the positives.
      negative_scores: float32 `[B, L]`, the scores of the draws.
      positive_log_q: float32 `[B]`, log q of the positives.
      negative_log_q: float32 `[B, L]`, log q of the draws under the proposal that drew them.
      negative_mask: bool `[B, L]`, False for draws that do not count; None counts all.

    Returns:
      float32 `[B]`.

    Raises:
      ValueError: where the shapes disagree.
    """
    _check_same_shape(positive_scores=positive_scores, positive_log_q=positive_log_q)
    _check_same_shape(negative_scores=negative_scores, negative_log_q=negative_log_q)
    positive = positive_scores - tf.stop_gradient(positive_log_q)
    negative = corrected_logits(negative_scores, negative_log_q, negative_mask)
    logits = tf.concat([positive[:, tf.newaxis], negative], axis=1)
    return tf.reduce_logsumexp(logits, axis=1) - positive


def corrected_logits(scores: tf.Tensor, log_q: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Returns `scores - log_q` without gradient through log q, and the lowest float where `mask` is False."""
    logits = scores - tf.stop_gradient(log_q)
    return logits if mask is None else tf.where(mask, logits, logits.dtype.min)


def sampled_kl(
    teacher_scores: tf.Tensor,
    student_scores: tf.Tensor,
    log_q: tf.Tensor,
    mask: tf.Tensor | None = None,
) -> tf.Tensor:
    """The sampled distillation loss KL(P_R^S || P_M^S) (CoRR section 4.2).

        P^S = softmax over i in S of (score_i - log q_i)

    No gradient flows into the teacher nor through log q.

    Args:
      teacher_scores: float32 `[B, L]`, the ranker's scores of the draws.
      student_scores: float32 `[B, L]`, the retriever's scores of the draws.
      log_q: float32 `[B, L]`, log q of the draws.
      mask: bool `[B, L]`, False for draws that do not count; None counts all.

    Returns:
      float32 `[B]`, at least 0; 0 where a row has no draw that counts.

    Raises:
      ValueError: where the shapes disagree.
    """
    _check_same_shape(teacher_scores=teacher_scores, student_scores=student_scores, log_q=log_q)
    teacher = tf.nn.log_softmax(tf.stop_gradient(corrected_logits(teacher_scores, log_q, mask)))
    student = tf.nn.log_softmax(corrected_logits(student_scores, log_q, mask))
    terms = tf.exp(teacher) * (teacher - student)
    if mask is not None:
        terms = tf.where(mask, terms, 0.0)
    return tf.reduce_sum(terms, axis=1)


def sampled_entropy(
    teacher_scores: tf.Tensor,
    student_scores: tf.Tensor,
    mask: tf.Tensor | None = None,
) -> tf.Tensor:
    """The entropy of the teacher's corrected distribution where the student itself is the proposal (CoRR section 4.2).

        H(p),  p = softmax over i in S of (R(i) - M(i))

    With Q = softmax(M), log q = M - const and the student's corrected logits are constant: with n draws that count,
    `sampled_kl` is log n - H(p). The values are the same, the gradients are not:

    - `sampled_kl` holds log q fixed, and descends along p_i - 1/n in M(i): up for the draws of more than their share;
    - this one differentiates the proposal in p, and ascends along p_i (log p_i + H): weighed by p, it says little about
      draws the teacher thinks nothing of, while the other pushes each of them down by up to 1/n.

    Both vanish where R - M is constant, and a step along the first raises the entropy too. No gradient flows into the
    teacher.

    Args:
      teacher_scores: float32 `[B, L]`, the ranker's scores of the draws.
      student_scores: float32 `[B, L]`, the retriever's scores of the draws.
      mask: bool `[B, L]`, False for draws that do not count; None counts all.

    Returns:
      float32 `[B]`, between 0 and log n; 0 where a row has no draw that counts.

    Raises:
      ValueError: where the shapes disagree.
    """
    _check_same_shape(teacher_scores=teacher_scores, student_scores=student_scores)
    logits = tf.stop_gradient(teacher_scores) - student_scores
    if mask is not None:
        logits = tf.where(mask, logits, logits.dtype.min)
    log_p = tf.nn.log_softmax(logits)
    terms = tf.exp(log_p) * log_p
    if mask is not None:
        terms = tf.where(mask, terms, 0.0)
    return -tf.reduce_sum(terms, axis=1)


def full_log_softmax(scores: tf.Tensor, positives: tf.Tensor) -> tf.Tensor:
    """The full log-softmax loss over a whole corpus: what the sampled losses estimate.

    Args:
      scores: float32 `[B, N + 1]`; column 0, the padding item, does not take part.
      positives: int64 `[B]`, ids in 1..N.

    Returns:
      float32 `[B]`.
    """
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=positives - 1, logits=scores[:, 1:])


def binary_cross_entropy(
    positive_scores: tf.Tensor,
    negative_scores: tf.Tensor,
    negative_mask: tf.Tensor | None = None,
) -> tf.Tensor:
    """Logistic loss of the positive against 1 and of the negatives, averaged, against 0.

    Args:
      positive_scores: float32 `[B]`.
      negative_scores: float32 `[B, L]`.
      negative_mask: bool `[B, L]`, False for draws that do not count; None counts all.

    Returns:
      float32 `[B]`.
    """
    return tf.nn.softplus(-positive_scores) + masked_mean(tf.nn.softplus(negative_scores), negative_mask)


def bayesian_personalized_ranking(
    positive_scores: tf.Tensor,
    negative_scores: tf.Tensor,
    negative_mask: tf.Tensor | None = None,
) -> tf.Tensor:
    """BPR: -log sigmoid(s_k - s_o), averaged over the negatives o (Rendle et al., UAI 2009).

    Arguments and result as in `binary_cross_entropy`.
    """
    differences = positive_scores[:, tf.newaxis] - negative_scores
    return masked_mean(tf.nn.softplus(-differences), negative_mask)


def masked_mean(values: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Returns the mean of float32 `[B, L]` over the columns where `mask` is True, `[B]`; 0 where there is none."""
    if mask is None:
        return tf.reduce_mean(values, axis=1)
    weights = tf.cast(mask, values.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights, axis=1), tf.reduce_sum(weights, axis=1))
