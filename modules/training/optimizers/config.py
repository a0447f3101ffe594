"""Which optimiser trains the tables."""

from typing import Literal

import pydantic

from modules.section import Section


class OptimizerConfig(Section):
    """The optimiser of the tables with a row a key; all other weights are trained by Adam (docs/optimizers.md)."""

    name: Literal["adam", "lazy_adam", "row_adagrad"] = "adam"
    """`adam`: every row at every step; `lazy_adam`: the rows that a step reads, which make up for the steps they were
    left out of; `row_adagrad`: the rows that a step reads, with one number a row in place of Adam's two a weight."""
    table_learning_rate: float = pydantic.Field(0.03, gt=0)
    """row_adagrad: the step size of the tables of both stages, which shrinks with what a row has seen."""
