"""Proposals that negatives are drawn from."""

from modules.registry import Registry

SAMPLERS = Registry(
    "sampler",
    {
        "exact": "modules.models.samplers.exact:ExactSampler",
        "midx": "modules.models.samplers.midx:MIDXSampler",
        "popularity": "modules.models.samplers.popularity:PopularitySampler",
        "top_and_rand": "modules.models.samplers.top_and_rand:TopAndRandSampler",
        "toprand": "modules.models.samplers.top_rand:TopRandSampler",
        "uniform": "modules.models.samplers.uniform:UniformSampler",
    },
)
