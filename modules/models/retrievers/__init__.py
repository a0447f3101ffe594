"""First stages: a query tower and a candidate tower that meet in an inner product."""

from modules.registry import Registry

RETRIEVERS = Registry(
    "retriever",
    {
        "bert4rec": "modules.models.retrievers.bert4rec:BERT4Rec",
        "caser": "modules.models.retrievers.caser:Caser",
        "dssm": "modules.models.retrievers.dssm:DSSM",
        "gru4rec": "modules.models.retrievers.gru4rec:GRU4Rec",
        "mf": "modules.models.retrievers.mf:MatrixFactorization",
        "sasrec": "modules.models.retrievers.sasrec:SASRec",
    },
)
