"""CoRR with SASRec and DIN, in this package's formulation, in the plain one, and in those between."""

import dataclasses
import functools

import tensorflow as tf

from benchmarks.peers import ConcatenatedDIN, OnePassExactSampler, RepeatedContextDIN
from modules.models.algorithms.corr import CoRR
from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.rankers.din import DIN
from modules.models.retrievers.sasrec import SASRec
from modules.models.samplers.base import Sampler
from modules.models.samplers.midx import MIDXSampler

_SEED = 17

Batch = tuple[Context, tf.Tensor]
"""Contexts and the positives int64 `[B]`."""

compiled = functools.partial(tf.function, autograph=False)
"""Nothing here branches on a tensor in Python; looking for it would double the time of tracing."""


@dataclasses.dataclass(frozen=True)
class Formulation:
    """One way to compute the same training step.

    Attributes:
      name: what is plain about it.
      ranker: class of the ranker.
      sampler: class of the proposal.
    """

    name: str
    ranker: type[DIN]
    sampler: type[Sampler]


PACKAGE = Formulation("this package", DIN, MIDXSampler)
PLAIN = Formulation("plain: all three", RepeatedContextDIN, OnePassExactSampler)
FORMULATIONS = (
    PACKAGE,
    Formulation("[q, k, q-k, q*k] materialised", ConcatenatedDIN, MIDXSampler),
    Formulation("the same, context once a candidate", RepeatedContextDIN, MIDXSampler),
    Formulation("exact softmax proposal", DIN, OnePassExactSampler),
    PLAIN,
)


class TimedModel:
    """A compiled model of one formulation, with its proposal's refresh taken out of the training step.

    Only one step in `refresh_steps` refreshes; a short measurement would hold that step or not, by chance.

    Args:
      formulation: how the step is computed.
      corpus: items and users.
      config: sizes, and the options of SASRec and of DIN.
      batch: a batch to build all variables with, so that whatever is compiled later is traced only once.

    Attributes:
      model: the model; its `train_step` never refreshes.
      refresh: refreshes the proposal from the current embeddings.
      refresh_steps: how many training steps share the cost of a refresh.
    """

    def __init__(self, formulation: Formulation, corpus: Corpus, config: ModelConfig, batch: Batch) -> None:
        tf.keras.utils.set_random_seed(_SEED)
        sampler = formulation.sampler(corpus, config.embedding_dim, formulation.sampler.Options(), seed=_SEED)
        retriever = SASRec(corpus, config, SASRec.Options(**config.retriever.options), seed=_SEED + 100)
        ranker = formulation.ranker(corpus, config, DIN.Options(**config.ranker.options), seed=_SEED + 200)
        self.refresh_steps: int = sampler.refresh_steps
        sampler.refresh_steps = None
        self.model = CoRR(retriever, ranker, sampler, config, CoRR.Options(), seed=_SEED)
        self.model.compile(
            retriever_optimizer=tf.keras.optimizers.Adam(),
            ranker_optimizer=tf.keras.optimizers.Adam(),
            gradient_clip_norm=5.0,
        )
        self.model.rank(batch[0], batch[1][:, tf.newaxis])
        self.model.optimizer.build(retriever.trainable_variables)
        self.model.ranker_optimizer.build(ranker.trainable_variables)
        self.refresh = compiled(lambda: sampler.refresh([tf.stop_gradient(retriever.all_candidates())]))
        self.refresh()
