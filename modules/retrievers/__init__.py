"""First stages: a query tower and a candidate tower that meet in an inner product."""

from modules.registry import Registry

RETRIEVERS = Registry(
    "retriever",
    {
        "mf": "modules.retrievers.mf:MatrixFactorization",
        "sasrec": "modules.retrievers.sasrec:SASRec",
    },
)
