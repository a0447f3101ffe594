"""Proposals that negatives are drawn from."""

from modules.registry import Registry

SAMPLERS = Registry(
    "sampler",
    {
        "exact": "modules.samplers.exact:ExactSampler",
        "midx": "modules.samplers.midx:MIDXSampler",
        "popularity": "modules.samplers.popularity:PopularitySampler",
        "uniform": "modules.samplers.uniform:UniformSampler",
    },
)
