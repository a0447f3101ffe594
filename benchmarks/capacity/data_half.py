"""The data half's components, each run in a process of its own by TFX's partial runs."""

import os
from pathlib import Path

from benchmarks.capacity.process import Taken, measure
from modules.data.config import DataConfig, SideFeature
from tfx_pipeline.config import PipelineConfig

COMPONENTS: dict[str, tuple[str, ...]] = {
    "ExampleGen": ("InteractionExampleGen",),
    "StatisticsGen": ("StatisticsGen",),
    "ExampleValidator": ("ImportSchemaGen", "ExampleValidator", "SchemaGate"),
    "Transform": ("Transform",),
}
"""Name in the table -> the pipeline's nodes that are run together, in order."""


def configuration(interactions: Path, root: Path) -> PipelineConfig:
    """Returns the settings of a run over a file of Taobao's form, every behaviour an interaction, in cores of ten.

    Args:
      interactions: the file.
      root: folder of what the run writes.
    """
    data = DataConfig(
        source="taobao", path=str(interactions), item_features={"category": SideFeature(column="category")}
    )
    return PipelineConfig(name="capacity", root=str(root), data=data)


def run_component(config: PipelineConfig, component: str) -> Taken:
    """Runs one component upon what the ones before it have left; to be called in a new process.

    Args:
      config: of the run.
      component: a key of `COMPONENTS`.
    """
    from tfx import v1 as tfx
    from tfx.orchestration.pipeline import RunOptions

    from tfx_pipeline.pipeline import create_data_pipeline
    from tfx_pipeline.runs import logs

    logs.set_up()
    os.makedirs(os.path.dirname(config.metadata_path), exist_ok=True)
    nodes = list(COMPONENTS[component])
    pipeline = create_data_pipeline(config)
    options = RunOptions(from_nodes=nodes, to_nodes=nodes)
    _, taken = measure(lambda: tfx.orchestration.LocalDagRunner().run(pipeline, run_options=options))
    return taken
