"""Item-to-item tables: what the training sequences say of pairs, one file a kind."""

from modules.registry import Registry

NEIGHBOURS = Registry(
    "neighbours",
    {
        "directed": "modules.models.neighbours.directed:Directed",
        "ease": "modules.models.neighbours.ease:EaseWeights",
    },
)
