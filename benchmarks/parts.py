"""The parts of a training step as compiled functions of their own."""

from collections.abc import Callable

import tensorflow as tf

from benchmarks.formulations import Batch, TimedModel, compiled
from benchmarks.timing import Timing

MEASURED = ("encoder", "proposal", "ranker", "forward", "gradients", "step", "refresh")


def compiled_parts(timed: TimedModel, batch: Batch) -> dict[str, Callable[[], object]]:
    """Returns a function for each name in `MEASURED`, all on the same batch.

    `encoder`, `proposal` and `ranker` are parts of the forward pass by themselves, the latter two with queries and
    candidates given. `forward` is the whole forward pass, `gradients` that and the backward pass, `step` a training
    step without its refresh.
    """
    model, context, positives = timed.model, *batch
    draws = model.config.num_negatives
    seed = tf.constant([17, 0], tf.int64)

    @compiled
    def encoder() -> tf.Tensor:
        return model.retriever.query(context, training=True)

    @compiled
    def proposal(query: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return *model.sampler.sample(query, draws, seed), model.sampler.log_prob(query, positives[:, tf.newaxis])

    @compiled
    def ranker(candidates: tf.Tensor, retriever_scores: tf.Tensor) -> tf.Tensor:
        return model.ranker_scores(context, candidates, retriever_scores, training=True)

    @compiled
    def forward() -> tf.Tensor:
        return model.batch_losses(context, positives, seed).total

    @compiled
    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            total = model.batch_losses(context, positives, seed).total
        weights = model.retriever.trainable_variables + model.ranker.trainable_variables
        found = (gradient for gradient in tape.gradient(total, weights) if gradient is not None)
        return [gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient for gradient in found]

    step = compiled(model.train_step)
    query = encoder()
    candidates = tf.concat([positives[:, tf.newaxis], proposal(query)[0]], axis=1)
    scores = tf.zeros(candidates.shape)
    return {
        "encoder": encoder,
        "proposal": lambda: proposal(query),
        "ranker": lambda: ranker(candidates, scores),
        "forward": forward,
        "gradients": gradients,
        "step": lambda: step(batch),
        "refresh": timed.refresh,
    }


def cpu_seconds_by_part(timings: dict[str, Timing], refresh_steps: int) -> dict[str, float]:
    """Returns the processor time of each part of one training step, from the timings of `MEASURED`.

    What cannot be run by itself is a difference of two functions, as its name says.
    """
    cpu = {name: timing.cpu for name, timing in timings.items()}
    alone = {name: cpu[name] for name in ("encoder", "proposal", "ranker")}
    return {
        "encoder, forward": alone["encoder"],
        "proposal: draws and log q": alone["proposal"],
        "ranker, forward": alone["ranker"],
        "retriever scores and losses (forward pass - the three above)": cpu["forward"] - sum(alone.values()),
        "backward pass (with gradients - forward pass)": cpu["gradients"] - cpu["forward"],
        "clipping, both optimisers, metrics (step - with gradients)": cpu["step"] - cpu["gradients"],
        "proposal: share of a refresh": cpu["refresh"] / refresh_steps,
    }
