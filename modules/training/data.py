"""What a training reads."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

from modules.models.corpus import Corpus


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """Where the transformed examples lie and what they hold.

    Attributes:
      train: file patterns of the training split.
      valid: file patterns of the validation split.
      corpus: items and users.
      task: which protocol split them.
      baskets: whether the training split says which items came together.
    """

    train: Sequence[str]
    valid: Sequence[str]
    corpus: Corpus
    task: Literal["sequential", "general"]
    baskets: bool = False
