"""First stages: a query tower and a candidate tower that meet in an inner product."""

from modules.registry import Registry

RETRIEVERS = Registry(
    "retriever",
    {
        "bert4rec": "modules.retrievers.bert4rec:BERT4Rec",
        "caser": "modules.retrievers.caser:Caser",
        "dssm": "modules.retrievers.dssm:DSSM",
        "gru4rec": "modules.retrievers.gru4rec:GRU4Rec",
        "mf": "modules.retrievers.mf:MatrixFactorization",
        "sasrec": "modules.retrievers.sasrec:SASRec",
    },
)
