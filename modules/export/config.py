"""What is exported for serving."""

import re
from typing import Literal

import pydantic

from modules.section import Section
from modules.serving.config import NamedItems
from modules.serving.item_lists import digest_of_file

IndexKind = Literal["auto", "exact", "partitioned"]
"""How the portable model searches: every item, or the cells nearest to the query; `auto` takes what is faster."""


Quantisation = Literal["none", "int8"]
"""How the vectors that are scanned are stored: float32, or int8 with a scale a vector."""

_WORDS = frozenset({"and", "or", "not"})


class ExportSizes(Section):
    """What of the exported graph's fixed sizes is known before the corpus is."""

    top_k: int
    """Items a request is answered with."""
    evaluated_k: int
    """Length of the ranked lists of the `evaluate` signature."""
    full_ranking_share: float
    """Share of users whose whole corpus `evaluate` ranks."""


class ExportOptions(ExportSizes):
    """Sizes fixed in the exported graph."""

    candidates: int
    """Items the first stage hands to the second."""


class IndexOptions(Section):
    """How the index of the portable export is chosen."""

    kind: IndexKind = "auto"
    """`auto` takes the partitioned index where it is faster."""
    min_recall: float = 0.95
    """Floor of its recall against exact search, of as many items as the first stage hands on."""
    quantisation: Quantisation = "int8"
    """Of the vectors that are scanned."""
    exact_below: int = 50_000
    """Corpora of fewer items are searched exactly under `auto`."""


class ServingConfig(Section):
    """The exported SavedModels."""

    top_k: int = pydantic.Field(10, ge=1)
    """Items a request is answered with."""
    scann: bool = True
    """Also export, evaluate and push the ScaNN-indexed model (`<name>_scann`)."""
    index: IndexKind = "auto"
    """How the portable model searches."""
    exact_below: int = pydantic.Field(50_000, ge=1)
    """Corpora of fewer items are searched exactly under `index: auto`."""
    min_index_recall: float = pydantic.Field(0.95, gt=0, le=1)
    """Floor of the recall of each export's index against exact search, of `candidates` items; below it, no push."""
    index_quantisation: Quantisation = "int8"
    """How the partitioned index stores the vectors it scans; the best are scored again by the exact ones."""

    lists: dict[str, str] = {}
    """Name -> text file of item ids, one a line: rules of requests may use the name. Read when the model is trained."""
    rules: dict[str, str] = {}
    """Name -> rule over the items' features and the lists, evaluated when the model is trained."""

    @pydantic.model_validator(mode="after")
    def _names_are_words_of_their_own(self) -> "ServingConfig":
        for name in [*self.lists, *self.rules]:
            if not re.fullmatch("[a-z][a-z0-9_]*", name) or name in _WORDS:
                raise ValueError(
                    "Names of `lists` and `rules` must be lower-case letters, digits and underscores, and none of "
                    f"{sorted(_WORDS)}. Received: {name!r}."
                )
        if twice := sorted(self.lists.keys() & self.rules.keys()):
            raise ValueError(f"`lists` and `rules` must have different names. Received twice: {twice}.")
        return self

    def named_items(self) -> NamedItems:
        """Returns the lists and rules, and what their files hold now."""
        digests = {name: digest_of_file(path) for name, path in self.lists.items()}
        return NamedItems(lists=self.lists, rules=self.rules, digests=digests)

    def index_options(self) -> IndexOptions:
        """Returns what the choice of the portable export's index depends on."""
        return IndexOptions(
            kind=self.index,
            min_recall=self.min_index_recall,
            quantisation=self.index_quantisation,
            exact_below=self.exact_below,
        )
