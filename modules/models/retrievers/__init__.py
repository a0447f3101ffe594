"""First stages: a query tower and a candidate tower that meet in an inner product."""

from modules.registry import Registry

RETRIEVERS = Registry(
    "retriever",
    {
        "bert4rec": "modules.models.retrievers.bert4rec:BERT4Rec",
        "caser": "modules.models.retrievers.caser:Caser",
        "directed_counts": "modules.models.retrievers.directed_counts:DirectedCounts",
        "dssm": "modules.models.retrievers.dssm:DSSM",
        "ease": "modules.models.retrievers.ease:EASE",
        "gru4rec": "modules.models.retrievers.gru4rec:GRU4Rec",
        "item_knn": "modules.models.retrievers.item_knn:ItemKNN",
        "mf": "modules.models.retrievers.mf:MatrixFactorization",
        "popularity": "modules.models.retrievers.popularity:Popularity",
        "sasrec": "modules.models.retrievers.sasrec:SASRec",
    },
)
