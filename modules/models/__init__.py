"""The two-stage model: retrievers, rankers, samplers, and the algorithms that train them together."""
