"""How long is trained, how fast, and when to stop."""

import pydantic

from modules.section import Section
from modules.training.distributed.config import DistributionConfig
from modules.training.optimizers.config import OptimizerConfig


class TrainingConfig(Section):
    """The optimisation: how long, how fast, and when to stop."""

    epochs: int = pydantic.Field(30, ge=1)
    """The most epochs."""
    batch_size: int = pydantic.Field(256, ge=1)
    """Training examples (a user's context and one positive) a step."""
    retriever_learning_rate: float = pydantic.Field(1e-3, gt=0)
    """Adam's step size for the first stage."""
    ranker_learning_rate: float = pydantic.Field(1e-3, gt=0)
    """Adam's step size for the second stage."""
    weight_decay: float = pydantic.Field(0.0, ge=0)
    """Decoupled weight decay (AdamW) of both optimisers."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """Which rows of the tables a step touches."""
    gradient_clip_norm: float | None = pydantic.Field(5.0, gt=0)
    """Global norm the gradients of each stage are clipped to; None leaves them."""
    patience: int = pydantic.Field(5, ge=1)
    """Epochs without a better validation NDCG before training stops."""
    shuffle_users: int = pydantic.Field(4096, ge=1)
    """Users whose training examples are expanded and shuffled together, the only ones in memory."""
    known_items: int = pydantic.Field(512, ge=0)
    """How many of a user's training items, the latest, are never their negatives; 0 draws from the whole corpus.

    The served list leaves out what a user already has, so an order among those items is of no use; and a retriever
    that knows them would propose little else.
    """
    warm_start: bool = False
    """Whether training begins with the weights of the last blessed model, rows of ids and categories by their keys.

    Off, a result depends on settings and data alone; on, on the runs before as well. The first run begins anew.
    """
    seed: int = 17
    """Of the weights, the order of the examples, dropout, and every draw."""
    distribution: DistributionConfig = DistributionConfig()
    """Over how many devices and processes; `batch_size` is that of a step of all of them together."""

    @pydantic.model_validator(mode="after")
    def _optimizer_decays_weights(self) -> "TrainingConfig":
        if self.weight_decay and self.optimizer.name == "row_adagrad":
            raise ValueError(
                "`training.weight_decay` must be 0 with `training.optimizer.name: row_adagrad`, which leaves the rows "
                f"that a step does not read as they are; `lazy_adam` decays them. Received: {self.weight_decay}."
            )
        return self
