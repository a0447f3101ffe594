"""How the two stages are trained: one file an algorithm."""

from modules.registry import Registry

ALGORITHMS = Registry(
    "algorithm",
    {
        "closed_form": "modules.models.algorithms.closed_form:ClosedFormOnly",
        "corr": "modules.models.algorithms.corr:CoRR",
        "icc": "modules.models.algorithms.icc:ICC",
        "independent": "modules.models.algorithms.independent:Independent",
        "masked_items": "modules.models.algorithms.masked_items:MaskedItems",
        "ranker_only": "modules.models.algorithms.ranker_only:RankerOnly",
        "rankflow": "modules.models.algorithms.rankflow:RankFlow",
        "retriever_only": "modules.models.algorithms.retriever_only:RetrieverOnly",
    },
)
