"""Second stages: any network over (item, context)."""

from modules.registry import Registry

RANKERS = Registry(
    "ranker",
    {
        "bst": "modules.rankers.bst:BST",
        "dcn": "modules.rankers.dcn:DCN",
        "deepfm": "modules.rankers.deepfm:DeepFM",
        "din": "modules.rankers.din:DIN",
        "ncf": "modules.rankers.ncf:NCF",
        "none": "modules.rankers.passthrough:Passthrough",
    },
)
