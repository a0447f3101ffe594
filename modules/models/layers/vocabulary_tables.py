"""Which weights have a row for each key of a vocabulary."""

from collections.abc import Iterable, Iterator

import tensorflow as tf


class VocabularyTables:
    """A layer that says which of its weights have rows by key: row 0 for padding and unknown keys, then one a key.

    The next training may have another vocabulary, in another order. A warm start moves these rows to where their keys
    stand then; every other weight is carried over as it is. A table that is not declared would be carried over row by
    row, each to whatever key has its old place.
    """

    def vocabulary_tables(self) -> Iterable[tuple[tf.Variable, str]]:
        """Returns each such weight, `[keys + 1, ...]`, with the name of its vocabulary; by default there is none.

        The vocabularies are `names.ITEM_VOCABULARY`, `names.USER_VOCABULARY`, and those of the side features, named as
        their transformed columns. Weights of layers below are theirs to declare.
        """
        return ()


def tables_below(stage: tf.keras.layers.Layer) -> Iterator[tuple[tf.Variable, str]]:
    """Yields the tables of a layer and of all layers below it, each with the name of its vocabulary."""
    for layer in (stage, *stage.submodules):
        if isinstance(layer, VocabularyTables):
            yield from layer.vocabulary_tables()
