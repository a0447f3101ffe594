"""How the two stages are trained: one file an algorithm."""

from modules.registry import Registry

ALGORITHMS = Registry(
    "algorithm",
    {
        "corr": "modules.cooperation.corr:CoRR",
        "icc": "modules.cooperation.icc:ICC",
        "independent": "modules.cooperation.independent:Independent",
        "masked_items": "modules.cooperation.masked_items:MaskedItems",
        "ranker_only": "modules.cooperation.ranker_only:RankerOnly",
        "rankflow": "modules.cooperation.rankflow:RankFlow",
        "retriever_only": "modules.cooperation.retriever_only:RetrieverOnly",
    },
)
