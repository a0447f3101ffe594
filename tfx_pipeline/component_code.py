"""Which sources each component runs: a change of others does not make it run again."""

from modules.code_digest import code_digest
from modules.data.sources import SOURCES
from modules.models.choices import CHOICES
from modules.models.neighbours import NEIGHBOURS
from tfx_pipeline.config import PipelineConfig


class ComponentCode:
    """Digests of the sources of the components of a pipeline."""

    def __init__(self, config: PipelineConfig) -> None:
        model = [registry.module(getattr(config.model, key).name) for key, registry in CHOICES.items()]
        model += [NEIGHBOURS.module(kind) for kind in config.model.kinds_of_neighbours()]
        self.example_gen = code_digest("tfx_pipeline.components.example_gen", SOURCES.module(config.data.source))
        self.transform = code_digest("modules.preprocessing")
        self.tuner = code_digest("modules.tuner", *model)
        self.trainer = code_digest("modules.trainer", *model)
        self.scann_indexer = code_digest("tfx_pipeline.components.scann_indexer")
        self.index_gate = code_digest("tfx_pipeline.components.index_gate")
        self.batch_recommender = code_digest("tfx_pipeline.components.batch_recommender")
