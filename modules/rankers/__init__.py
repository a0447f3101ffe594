"""Second stages: any network over (item, context)."""

from modules.registry import Registry

RANKERS = Registry(
    "ranker",
    {
        "deepfm": "modules.rankers.deepfm:DeepFM",
        "din": "modules.rankers.din:DIN",
        "none": "modules.rankers.passthrough:Passthrough",
    },
)
