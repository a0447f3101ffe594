"""What a two-stage model is put together from, and where each part is looked up."""

from collections.abc import Mapping

from modules.cooperation import ALGORITHMS
from modules.rankers import RANKERS
from modules.registry import Registry
from modules.retrievers import RETRIEVERS
from modules.samplers import SAMPLERS

COMPONENTS: Mapping[str, Registry] = {
    "retriever": RETRIEVERS,
    "ranker": RANKERS,
    "sampler": SAMPLERS,
    "algorithm": ALGORITHMS,
}
"""Key of `modules.config.ModelConfig` -> the registry its `name` is of."""
