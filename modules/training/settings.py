"""What the Trainer is told."""

from typing import Any

from modules.component_settings import ComponentSettings
from modules.data.config import DataConfig
from modules.export.config import ExportSizes, IndexOptions
from modules.models.config import ModelConfig
from modules.serving.config import NamedItems
from modules.training.config import TrainingConfig


class TrainerSettings(ComponentSettings):
    """Everything that determines a training and its export, the data aside."""

    data: DataConfig
    """For the task and the side features."""
    model: ModelConfig
    """What is trained."""
    training: TrainingConfig
    """How."""
    tuned: dict[str, Any] = {}
    """Dotted key -> value of the settings that a search has put in their places."""
    export: ExportSizes
    """Sizes of the exported signatures."""
    index: IndexOptions
    """The index of the portable export."""
    named_items: NamedItems = NamedItems()
    """The lists and rules shipped with the model."""
    checkpoints: str
    """Folder under which a run keeps its checkpoints until it is done."""
