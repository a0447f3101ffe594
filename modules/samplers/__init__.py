"""Proposals that negatives are drawn from."""

from modules.registry import Registry

SAMPLERS = Registry(
    "sampler",
    {
        "exact": "modules.samplers.exact:ExactSampler",
        "midx": "modules.samplers.midx:MIDXSampler",
        "popularity": "modules.samplers.popularity:PopularitySampler",
        "top_and_rand": "modules.samplers.top_and_rand:TopAndRandSampler",
        "toprand": "modules.samplers.top_rand:TopRandSampler",
        "uniform": "modules.samplers.uniform:UniformSampler",
    },
)
