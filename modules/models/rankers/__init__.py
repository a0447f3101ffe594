"""Second stages: any network over (item, context)."""

from modules.registry import Registry

RANKERS = Registry(
    "ranker",
    {
        "bst": "modules.models.rankers.bst:BST",
        "dcn": "modules.models.rankers.dcn:DCN",
        "deepfm": "modules.models.rankers.deepfm:DeepFM",
        "din": "modules.models.rankers.din:DIN",
        "ncf": "modules.models.rankers.ncf:NCF",
        "none": "modules.models.rankers.passthrough:Passthrough",
    },
)
