"""Timing on a machine that others use too."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

_SHORTEST_SECONDS = 0.02


class Timing(NamedTuple):
    """Seconds of one call.

    Attributes:
      cpu: processor time of this process; what other processes do hardly moves it.
      wall: time on the clock.
    """

    cpu: float
    wall: float


def fastest(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Returns the shortest times of each function over some rounds, after one call that is not timed.

    Every round times every function once, so a spell of load on the machine falls on all of them alike. The minimum is
    what the code costs; everything above it is the neighbours.

    Args:
      functions: name -> what to time; must have finished its work when it returns.
      rounds: how often each is timed.
    """
    calls = {name: _calls_a_round(function) for name, function in functions.items()}
    timings = {name: Timing(math.inf, math.inf) for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            timing = _time(function, calls[name])
            timings[name] = Timing(*map(min, timings[name], timing))
    return timings


def _calls_a_round(function: Callable[[], object]) -> int:
    """Returns how many calls in a row are long enough for the clock, having warmed the function up."""
    function()
    return max(1, math.ceil(_SHORTEST_SECONDS / _time(function, 1).wall))


def _time(function: Callable[[], object], calls: int) -> Timing:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(calls):
        function()
    return Timing((time.process_time() - cpu) / calls, (time.perf_counter() - wall) / calls)


def growth_exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Returns the p of `seconds ~ size^p` by least squares on the logarithms; nan for fewer than two sizes."""
    if len(sizes) < 2:
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
