"""How well draws fit the probabilities a sampler states."""

import numpy as np
from scipy import stats

from modules.models.samplers.base import Sampler

SIGNIFICANCE = 1e-3


def stated_probabilities(sampler: Sampler, query: np.ndarray, num_items: int) -> np.ndarray:
    """Returns float64 `[B, N + 1]`, Q of every item as `log_prob` states it; entry 0, padding, is 0."""
    log_q = sampler.log_prob(query, np.arange(1, num_items + 1)[np.newaxis]).numpy()
    return np.pad(np.exp(log_q.astype(np.float64)), [[0, 0], [1, 0]])


def chi_square(ids: np.ndarray, probabilities: np.ndarray) -> float:
    """Returns the p-value of draws `[L]` under `probabilities` `[N + 1]`.

    Items expected fewer than five times share one class, as Pearson's test asks; where less than one draw is expected
    of all of them together, there must be next to none.
    """
    observed = np.bincount(ids, minlength=len(probabilities)).astype(np.float64)
    expected = probabilities / probabilities.sum() * len(ids)
    rare = expected < 5
    tail = np.array([observed[rare].sum(), expected[rare].sum()])
    observed, expected = observed[~rare], expected[~rare]
    if tail[1] >= 1:
        observed, expected = np.append(observed, tail[0]), np.append(expected, tail[1])
    else:
        assert tail[0] <= 8, f"{tail[0]:.0f} draws where {tail[1]:.2g} were expected"
    if len(observed) < 2:
        return 1.0
    return float(stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue)
