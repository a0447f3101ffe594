"""What a two-stage model is put together from, and where each part is looked up."""

from collections.abc import Mapping

from modules.models.algorithms import ALGORITHMS
from modules.models.rankers import RANKERS
from modules.models.retrievers import RETRIEVERS
from modules.models.samplers import SAMPLERS
from modules.registry import Registry

CHOICES: Mapping[str, Registry] = {
    "retriever": RETRIEVERS,
    "ranker": RANKERS,
    "sampler": SAMPLERS,
    "algorithm": ALGORITHMS,
}
"""Key of `modules.models.config.ModelConfig` -> the registry its `name` is of."""
