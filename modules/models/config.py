"""The two stages, the proposal between them, and the algorithm that trains them."""

import contextlib
from typing import Any, Literal

import pydantic

from modules.models.neighbours import NEIGHBOURS
from modules.section import Section, describe_errors


class Choice(pydantic.BaseModel):
    """A registered part of the model: its `name`, and beside it its own options."""

    model_config = pydantic.ConfigDict(frozen=True, extra="allow")

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """The options as given, not yet validated."""
        return dict(self.model_extra or {})


class ModelConfig(Section):
    """The two stages, the proposal between them, and the algorithm that trains them together."""

    embedding_dim: int = pydantic.Field(64, ge=2)
    """Width d of the query and item embeddings."""
    history_length: int = pydantic.Field(20, ge=1)
    """How many of the latest items the encoders look at."""
    retriever: Choice = Choice(name="sasrec")
    """A name in `modules.models.retrievers.RETRIEVERS` with its options."""
    ranker: Choice = Choice(name="din")
    """A name in `modules.models.rankers.RANKERS` with its options."""
    sampler: Choice = Choice(name="midx")
    """A name in `modules.models.samplers.SAMPLERS` with its options."""
    algorithm: Choice = Choice(name="corr")
    """A name in `modules.models.algorithms.ALGORITHMS` with its options."""
    num_negatives: int = pydantic.Field(20, ge=1)
    """L, the draws from the proposal for each positive."""
    uniform_share: float = pydantic.Field(0.0, ge=0, lt=1)
    """Share of uniform draws mixed into the proposal, under the exact mixture probability."""
    neighbours: int = pydantic.Field(100, ge=0)
    """M, how many neighbours of each item the model keeps, of every kind of `neighbour_kinds`; 0: none.

    The neighbours of the history's items are candidates beside those of the retriever, and evidence beside both stages'
    scores. How much they weigh is chosen on validation, nothing included.
    """
    neighbour_kinds: list[str] | None = pydantic.Field(None, min_length=1)
    """Names in `modules.models.neighbours.NEIGHBOURS`; None: all that can be computed for a corpus of this size."""
    candidates: int | Literal["all"] = 100
    """How many items the first stage hands to the second, at most; `all` leaves the whole corpus to the second."""

    @pydantic.field_validator("candidates", mode="wrap")
    @classmethod
    def _candidates_are_counted(cls, candidates: Any, validate: pydantic.ValidatorFunctionWrapHandler) -> int | str:
        # One line in place of one for each type that would have been possible.
        with contextlib.suppress(pydantic.ValidationError):
            count = validate(candidates)
            if count == "all" or count >= 1:
                return count
        raise ValueError(f"`candidates` must be a positive integer or 'all'. Received: {candidates!r}.")

    @pydantic.field_validator("neighbour_kinds")
    @classmethod
    def _kinds_are_known(cls, kinds: list[str] | None) -> list[str] | None:
        for kind in kinds or ():
            NEIGHBOURS.module(kind)
        return kinds

    @pydantic.model_validator(mode="after")
    def _options_are_known(self) -> "ModelConfig":
        from modules.models.choices import CHOICES

        for key, registry in CHOICES.items():
            choice: Choice = getattr(self, key)
            try:
                registry.options(choice.name, choice.options)
            except pydantic.ValidationError as error:
                raise ValueError(f"`{key}` ({choice.name}): {describe_errors(error)}") from error
        return self

    def kinds_of_neighbours(self) -> list[str]:
        """Returns names in `NEIGHBOURS`: those asked for, else all; none without `neighbours`."""
        return (self.neighbour_kinds or list(NEIGHBOURS)) if self.neighbours else []

    def candidate_count(self, num_items: int) -> int:
        """Returns how many items of a corpus of `num_items` the first stage hands to the second."""
        return num_items if self.candidates == "all" else self.candidates
