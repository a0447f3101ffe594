"""A request whose inputs have different rows is refused, whichever input it is."""

import pytest
import tensorflow as tf

FULL = {
    "user_id": tf.constant(["user 1", "user 2"]),
    "history": tf.constant([["item 3"], ["item 4"]]),
    "exclude": tf.zeros([2, 0], tf.string),
    "allow": tf.zeros([2, 0], tf.string),
    "candidate_id": tf.constant([["item 3"], ["item 4"]]),
    "rule": tf.constant(["", ""]),
    "caps": tf.constant(["", ""]),
    "k": tf.constant(3),
    "diversity": tf.constant(0.0),
    "epsilon": tf.constant(0.0),
    "temperature": tf.constant(0.0),
    "seed": tf.constant(0, tf.int64),
}
# Of serving_default, retrieve, rank, recommend, recommend_among and recommend_varied each input that has rows.
CASES = [("serving_default", "history"), ("retrieve", "history"), ("rank", "candidate_id"), ("recommend", "exclude")]
CASES += [("recommend_among", "allow"), ("recommend_among", "rule"), ("recommend_varied", "caps")]
CASES += [("recommend_varied", "history")]


@pytest.mark.parametrize(("name", "short"), CASES)
def test_an_input_of_fewer_rows_is_the_callers_error(signatures: dict, name: str, short: str) -> None:
    signature = signatures[name]
    inputs = {wanted: FULL[wanted] for wanted in signature.structured_input_signature[1]}
    signature(**inputs)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"`{short}` must have as many rows as `user_id`. .*1.*2"):
        signature(**inputs | {short: FULL[short][:1]})
