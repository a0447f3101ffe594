"""Bounded power laws: p(x) ~ x^-exponent between a least value and a largest, `ratio` times as large."""

import numpy as np
from scipy import optimize


def quantile(shares: np.ndarray, exponent: float, ratio: float) -> np.ndarray:
    """Returns the values float64 below which `shares` of a bounded power law lie, in units of its least value.

    Args:
      shares: in [0, 1].
      exponent: of the density, not 1.
      ratio: largest value / least value.
    """
    power = 1 - exponent
    return (1 + shares * (ratio**power - 1)) ** (1 / power)


def evenly_spread(size: int, exponent: float, ratio: float) -> np.ndarray:
    """Returns `size` ascending values float64, as a bounded power law's quantiles at the same distance from each other.

    Such a sample has the law's shape without its luck: two seeds do not differ in how heavy the tail fell.
    """
    return quantile((np.arange(size) + 0.5) / size, exponent, ratio)


def counts_with_total(size: int, total: int, exponent: float, ratio: float) -> np.ndarray:
    """Returns `size` ascending whole numbers int64 of at least 1 that follow a bounded power law and add up to `total`.

    Raises:
      ValueError: where `total` is less than `size`.
    """
    if total < size:
        raise ValueError(f"`total` must be at least `size`, {size}. Received: {total}.")
    values = evenly_spread(size, exponent, ratio)

    def rounded(scale: float) -> np.ndarray:
        return np.maximum(1, np.rint(scale * values)).astype(np.int64)

    low, high = 0.0, 2 * total / values.sum() + 1
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rounded(middle).sum() <= total else (low, middle)
    counts = rounded(low)
    # What is missing is less than one a value; it goes to the largest, where it changes the shape the least.
    missing = total - int(counts.sum())
    counts[len(counts) - missing :] += 1
    return counts


def fitted_exponent(values: np.ndarray, least: float, largest: float) -> float:
    """Returns the maximum-likelihood exponent of the values in [least, largest] under a bounded power law.

    Whole numbers are taken as rounded: the law begins half a unit below `least`, and ends half a unit above `largest`
    (Clauset, Shalizi and Newman, "Power-law distributions in empirical data", SIAM Review 2009, section 3.1).

    Args:
      values: whole numbers; those outside of the bounds are left out.
      least: at least 1.
      largest: above `least`.

    Raises:
      ValueError: where fewer than two values lie between the bounds.
    """
    kept = values[(values >= least) & (values <= largest)]
    if len(kept) < 2:
        raise ValueError(f"`values` must hold at least two between {least} and {largest}. Received: {len(kept)}.")
    mean_log = float(np.log(kept / (least - 0.5)).mean())
    log_ratio = float(np.log((largest + 0.5) / (least - 0.5)))

    def negative_log_likelihood(exponent: float) -> float:
        power = exponent - 1
        # The integral of x^-exponent over the bounds is log_ratio where the power is 0.
        area = log_ratio if abs(power) < 1e-9 else -np.expm1(-power * log_ratio) / power
        return float(np.log(area) + exponent * mean_log)

    return float(optimize.minimize_scalar(negative_log_likelihood, bounds=(-5, 20), method="bounded").x)
