"""Which items a rule over their features allows, in stock operations."""

import enum
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from modules.serving.item_facts import Category, ItemFacts
from modules.serving.rule_text import read_rule

_TRUE = frozenset({b"true", b"t", b"yes", b"y", b"1"})
_FALSE = frozenset({b"false", b"f", b"no", b"n", b"0"})
_NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
_FREQUENT = 16
"""What more than one in so many items have is kept as a byte an item, which is faster than a list of them."""
# A control character, so that no name and value make the key of another pair.
_SEPARATOR = b"\x1f"


class Kind(enum.IntEnum):
    """What a name in a rule stands for."""

    UNKNOWN = 0
    CATEGORY = 1
    FLAG = 2
    """A category whose values are true and false."""
    NUMBER = 3
    NAMED = 4
    """A list of items, or a rule under a name."""


class Rules(tf.Module):
    """Evaluates rules over the items. Cost of a term: that of the items that have its value, and one byte an item.

    Args:
      facts: the items' features.
      named: name -> the ids of the items it stands for, int64; no name of a feature.

    Attributes:
      facts: as given.
    """

    def __init__(self, facts: ItemFacts, named: Mapping[str, np.ndarray] | None = None) -> None:
        super().__init__()
        named = named or {}
        kinds = {name: _kind(category) for name, category in facts.categories.items()}
        kinds |= dict.fromkeys(facts.numbers, Kind.NUMBER)
        kinds |= dict.fromkeys(named, Kind.NAMED)
        self._names = ", ".join(sorted(kinds)) or "nothing, as the model has no features or lists"
        self.facts = facts
        self._num_items = facts.num_items
        self._kinds = _table({name.encode(): kind for name, kind in kinds.items()}, Kind.UNKNOWN)
        self._columns = _table({name.encode(): column for column, name in enumerate(facts.numbers)}, 0)
        rows = [np.asarray(row, np.float32) for row in facts.numbers.values()]
        self._numbers = tf.Variable(
            np.stack(rows) if rows else np.zeros([1, facts.num_items + 1], np.float32), trainable=False, name="numbers"
        )
        members: dict[bytes, np.ndarray] = {name.encode(): ids for name, ids in named.items()}
        for name, category in facts.categories.items():
            members |= _members(name.encode(), category, kinds[name])
        frequent = [key for key, ids in members.items() if _FREQUENT * len(ids) > facts.num_items]
        self._rows = _table({key: row for row, key in enumerate(frequent)}, -1)
        masks = np.zeros([max(1, len(frequent)), facts.num_items + 1], bool)
        for row, key in enumerate(frequent):
            masks[row, members.pop(key)] = True
        self._masks = tf.Variable(masks, trainable=False, name="masks")
        self._places = _table({key: place for place, key in enumerate(members)}, len(members))
        # One more place without items is that of values that no item has.
        lengths = [*map(len, members.values()), 0]
        self._starts = tf.Variable(np.concatenate([[0], np.cumsum(lengths)]), trainable=False, dtype=tf.int64)
        ids = np.concatenate([*members.values(), np.zeros(0, np.int64)])
        self._ids = tf.Variable(ids, trainable=False, dtype=tf.int64, name="members")

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string, "rules")])
    def masks(self, rules: tf.Tensor) -> tf.Tensor:
        """Returns bool `[R, N + 1]`, which items each of the rules `[R]` allows, never item 0.

        An item of several values has each of them. One without a value satisfies `!=` and `not`, and no other
        comparison.

        Raises:
          InvalidArgumentError: where a rule is none, names what is not there, or compares what has no such comparison.
        """
        spec = tf.TensorSpec([self._num_items + 1], tf.bool)
        return tf.map_fn(self._mask, rules, parallel_iterations=1, fn_output_signature=spec)

    def _mask(self, rule: tf.Tensor) -> tf.Tensor:
        terms = read_rule(rule)
        kinds = self._kinds.lookup(terms.name)
        with tf.control_dependencies(self._checks(terms.name, terms.operator, terms.value, kinds)):
            kinds = tf.identity(kinds)
        none, every = (tf.fill([self._num_items + 1], value) for value in (False, True))
        # The last term of an alternative adds what all its terms allow.
        last = tf.concat([terms.alternative[1:] > terms.alternative[:-1], [True]], axis=0)

        def add(state: tuple[tf.Tensor, tf.Tensor], term: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
            allowed, together = state
            together &= self._of_term(*term[:-1])
            return tf.cond(term[-1], lambda: (allowed | together, every), lambda: (allowed, together))

        elements = (terms.name, terms.operator, terms.value, kinds, terms.negated, last)
        allowed, _ = tf.foldl(add, elements, (none, every), parallel_iterations=1)
        return tf.concat([[False], allowed[1:]], axis=0)

    def _checks(self, name: tf.Tensor, operator: tf.Tensor, value: tf.Tensor, kinds: tf.Tensor) -> list[tf.Operation]:
        known = kinds != Kind.UNKNOWN
        alone, equality = operator == "", (operator == "=") | (operator == "!=")
        number = ~alone & tf.strings.regex_full_match(value, _NUMBER)
        fit = tf.where(kinds == Kind.NUMBER, number, (kinds == Kind.NAMED) & alone)
        fit |= (kinds == Kind.CATEGORY) & equality
        fit |= (kinds == Kind.FLAG) & (equality | alone)
        terms = tf.strings.join([name, operator, value], " ")
        return [
            tf.debugging.Assert(
                tf.reduce_all(known),
                [f"`rule` must name some of: {self._names}. Received:", tf.boolean_mask(name, ~known)],
            ),
            tf.debugging.Assert(
                tf.reduce_all(fit | ~known),
                [
                    "`rule` must compare a number with a number, and a category by = or !=; alone stand what is true "
                    "or false, lists and named rules. Received:",
                    tf.boolean_mask(terms, known & ~fit),
                ],
            ),
        ]

    def _of_term(
        self, name: tf.Tensor, operator: tf.Tensor, value: tf.Tensor, kind: tf.Tensor, negated: tf.Tensor
    ) -> tf.Tensor:
        mask = tf.cond(
            kind == Kind.NUMBER,
            lambda: self._compared(name, operator, value),
            lambda: self._members_of(tf.where(operator == "", name, tf.strings.join([name, value], _SEPARATOR))),
        )
        turned = tf.math.logical_xor(negated, operator == "!=")
        return tf.cond(turned, lambda: ~mask, lambda: mask)

    def _compared(self, name: tf.Tensor, operator: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """Returns where the comparison holds; that of `!=` is `=`."""
        numbers = tf.gather(self._numbers, self._columns.lookup(name))
        bound = tf.strings.to_number(value)
        low, high = (tf.strings.regex_full_match(operator, pattern) for pattern in ("<=?", ">=?"))
        equal = tf.strings.regex_full_match(operator, ".?=")
        return ((numbers < bound) & low) | ((numbers > bound) & high) | (tf.equal(numbers, bound) & equal)

    def _members_of(self, key: tf.Tensor) -> tf.Tensor:
        row = self._rows.lookup(key)

        def listed() -> tf.Tensor:
            place = self._places.lookup(key)
            start, end = tf.gather(self._starts, place), tf.gather(self._starts, place + 1)
            ids = tf.gather(self._ids, tf.range(start, end))
            nowhere = tf.zeros([self._num_items + 1], tf.bool)
            return tf.tensor_scatter_nd_update(nowhere, ids[:, tf.newaxis], tf.ones_like(ids, tf.bool))

        return tf.cond(row >= 0, lambda: tf.gather(self._masks, row), listed)


def with_named_rules(facts: ItemFacts, lists: Mapping[str, np.ndarray], rules: Mapping[str, str]) -> Rules:
    """Returns rules that know lists of ids, and other rules by their names, which are evaluated here and now.

    Raises:
      ValueError: where a named rule is none.
    """
    base = Rules(facts, lists)
    named = dict(lists)
    for name, rule in rules.items():
        try:
            named[name] = np.flatnonzero(base.masks(tf.constant([rule]))[0])
        except tf.errors.InvalidArgumentError as error:
            # TensorFlow tells where in the graph it stood as well.
            reason = error.message[error.message.rfind("`rule`") :].splitlines()[0]
            raise ValueError(f"`serving.rules.{name}`: {reason}") from error
    return Rules(facts, named)


def _kind(category: Category) -> Kind:
    values = {value.lower() for value in category.values}
    return Kind.FLAG if values and values <= _TRUE | _FALSE else Kind.CATEGORY


def _members(name: bytes, category: Category, kind: Kind) -> dict[bytes, np.ndarray]:
    """Returns the items of each value by the key of name and value, and of a flag's name those where it is true."""
    items, columns = np.nonzero(category.table)
    values = category.table[items, columns]
    order = np.argsort(values, kind="stable")
    ends = np.searchsorted(values[order], np.arange(1, len(category.values) + 1), side="right")
    parts = np.split(items[order], ends[:-1]) if len(category.values) else []
    found = {name + _SEPARATOR + value: ids for value, ids in zip(category.values, parts, strict=True)}
    if kind == Kind.FLAG:
        true = [ids for value, ids in zip(category.values, parts, strict=True) if value.lower() in _TRUE]
        found[name] = np.unique(np.concatenate([*true, np.zeros(0, np.int64)]))
    return found


def _table(entries: Mapping[bytes, int], default: int) -> tf.lookup.StaticHashTable:
    # A table has at least one entry; no name is empty.
    entries = entries or {b"": default}
    keys, values = tf.constant(list(entries), tf.string), tf.constant(list(entries.values()), tf.int64)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default)
