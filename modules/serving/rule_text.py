"""Reads a rule, such as `country = "FR" and in_stock or not old`, in the graph: a request may bring any."""

from typing import NamedTuple

import tensorflow as tf

OPERATORS = ("=", "!=", "<", "<=", ">", ">=")

_TERM = r'^\s*(?:((?i:not))\s+)?([\w.-]+)\s*(?:(=|!=|<=|>=|<|>)\s*(?:"([^"]*)"|([^\s"<>=!()]+))\s*)?$'
_NEGATION, _NAME, _OPERATOR, _VALUE = r"\1", r"\2", r"\3", r"\4\5"
_OR, _AND = "\x1e", "\x1f"


class Terms(NamedTuple):
    """The terms of a rule: it holds where all terms of one alternative hold.

    Attributes:
      alternative: int64 `[T]`, ascending from 0.
      negated: bool `[T]`.
      name: string `[T]`.
      operator: string `[T]`, one of `OPERATORS`, or "" where a name stands alone.
      value: string `[T]`, without quotes.
    """

    alternative: tf.Tensor
    negated: tf.Tensor
    name: tf.Tensor
    operator: tf.Tensor
    value: tf.Tensor


def read_rule(rule: tf.Tensor) -> Terms:
    """Returns the terms of a string scalar.

    `or` parts alternatives, `and` the terms of one, `not` goes before a term; there are no parentheses. A value with
    spaces, or with one of these words, stands in double quotes.

    Raises:
      InvalidArgumentError: where it is not such a rule.
    """
    pieces = tf.strings.split(rule, '"')
    # What stands between quotes is no syntax.
    quoted = tf.equal(tf.range(tf.size(pieces)) % 2, 1)
    cut = tf.strings.regex_replace(tf.strings.regex_replace(pieces, r"(?i)\bor\b", _OR), r"(?i)\band\b", _AND)
    text = tf.strings.reduce_join(tf.where(quoted, pieces, cut), separator='"')
    terms = tf.strings.split(tf.strings.split(text, _OR), _AND)
    legible = tf.strings.regex_full_match(terms.values, _TERM)
    check = tf.debugging.Assert(
        tf.reduce_all(legible),
        [
            '`rule` must be terms such as country = "FR", year >= 1990 or in_stock, joined by `and` and `or`, without '
            "parentheses. Received:",
            tf.boolean_mask(terms.values, ~legible),
        ],
    )
    with tf.control_dependencies([check]):
        read = tf.identity(terms.values)
    negation, name, operator, value = (
        tf.strings.regex_replace(read, _TERM, part) for part in (_NEGATION, _NAME, _OPERATOR, _VALUE)
    )
    return Terms(terms.value_rowids(), tf.not_equal(negation, ""), name, operator, value)
