"""What the Tuner is told."""

from modules.component_settings import ComponentSettings
from modules.data.config import DataConfig
from modules.models.config import ModelConfig
from modules.training.config import TrainingConfig
from modules.tuning.config import TunerConfig


class TunerSettings(ComponentSettings):
    """Everything that determines a search, the data aside."""

    tuner: TunerConfig
    """What is searched, and how."""
    data: DataConfig
    """For the task and the side features."""
    model: ModelConfig
    """The settings that points are laid over."""
    training: TrainingConfig
    """Likewise; the epochs are the search's own."""
    checkpoints: str
    """Folder under which a search keeps its trials."""
