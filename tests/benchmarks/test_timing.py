"""Timing and the fit of growth."""

import math
import time

import pytest

from benchmarks.timing import Timing, fastest, growth_exponent


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_growth_exponent_is_the_power(power: float) -> None:
    sizes = [10, 100, 5000]
    assert growth_exponent(sizes, [3 * size**power for size in sizes]) == pytest.approx(power, abs=1e-9)


def test_growth_needs_two_sizes() -> None:
    assert math.isnan(growth_exponent([10], [0.1]))


def test_fastest_is_the_shortest_round_and_waiting_costs_no_processor_time() -> None:
    # Two calls come before the rounds: one to warm up, one to learn how many make a round.
    waits = iter([0.0, 0.03, 0.06, 0.03, 0.09])
    timings = fastest({"wait": lambda: time.sleep(next(waits))}, rounds=3)
    assert timings["wait"] == Timing(pytest.approx(0, abs=0.01), pytest.approx(0.03, abs=0.025))
