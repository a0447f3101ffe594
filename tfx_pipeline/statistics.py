"""What StatisticsGen counts, in memory that does not grow with the data."""

import tensorflow_data_validation as tfdv

COUNTED_VALUES = 16_384
"""Distinct values of a feature up to which its counts are exact; of more, shares are off by at most 1 / 16,384."""


def statistics_options() -> tfdv.StatsOptions:
    """Returns TFDV's options for the splits that hold users.

    TFDV's default counts every distinct user and item, which Beam then holds or shuffles. Sketches of a fixed size do
    not: Misra-Gries for the most frequent values, k minimum values for their number. The first is as large as the rank
    histogram that it fills, the second holds as many hashes by TFDV's own default, so both are exact up to the same
    number of values. The distances between spans are taken over that histogram.
    """
    return tfdv.StatsOptions(use_sketch_based_topk_uniques=True, num_rank_histogram_buckets=COUNTED_VALUES)
