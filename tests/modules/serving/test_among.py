"""Both stages among allowed items, asked of exports that were loaded again and of a server."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from tests.modules import tiny
from tests.modules.export.exports import CANDIDATES, ITEMS
from tests.modules.serving.served import LAST, numbers, strings

USERS = tf.constant(["user 1", "user 2", "nobody"])
HISTORIES = [[3, 7, 11], [150, 2, 9], [0, 0, 0]]
NOTHING = tf.zeros([3, 0], tf.string)
NO_RULE = ["", "", ""]
FEW = [[5, 5, 3, 80, 0], [9, 150, 4, 6, 7], [100, 50, 2, 0, 0]]
MANY = [list(range(1, 160)), list(range(40, 199)), list(range(30, 189))]


def ask(
    signature, allow: tf.Tensor = NOTHING, exclude: tf.Tensor = NOTHING, rule: list[str] = NO_RULE, **more: tf.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    inputs = {"user_id": USERS, "history": strings(HISTORIES), "exclude": exclude, "allow": allow}
    answer = signature(**inputs, rule=tf.constant(rule), **more)
    return numbers(answer["item_id"]), answer["score"].numpy()


def first_stage(model: TwoStageModel, allowed: list[list[int]]) -> list[list[int]]:
    """Returns the allowed items outside the history by inner product, those of a row without one by popularity."""
    context = tiny.make_context([1, 2, 0], [[item for item in history if item] for history in HISTORIES])
    scores = model.retriever.query(context).numpy() @ model.retriever.all_candidates().numpy().T
    # Item 1 is the most popular.
    scores[2] = -np.arange(ITEMS + 1)
    return [
        sorted(set(items) - {0, *history}, key=lambda item, row=row: -scores[row, item])
        for row, (items, history) in enumerate(zip(allowed, HISTORIES, strict=True))
    ]


@pytest.mark.parametrize("allowed", [FEW, MANY])
def test_the_first_stage_is_exact_among_the_allowed(signatures: dict, model: TwoStageModel, allowed) -> None:
    found, scores = ask(signatures["retrieve_among"], strings(allowed))
    for row, expected in enumerate(first_stage(model, allowed)):
        best = expected[:CANDIDATES]
        assert list(found[row, : len(best)]) == best
        assert np.all(found[row, len(best) :] == 0)
        assert np.all(scores[row, len(best) :] == LAST)


def allowed_by(rule) -> list[int]:
    return [item for item in range(1, ITEMS + 1) if rule(item)]


def in_stock(item: int) -> bool:
    return item % 10 != 0


def french(item: int) -> bool:
    return item % 4 in (0, 2)


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        # More than half of the items, so that the index is asked; and with it too few are left.
        ("in_stock", in_stock),
        ("year > 1840 or year < 1838", lambda item: item % 7 and item not in (38, 39, 40)),
        # Half and fewer.
        ("country = FR", french),
        ('country = "FR" and in_stock and year >= 1900', lambda i: french(i) and in_stock(i) and i >= 100 and i % 7),
        ("cheap", lambda item: item in (1, 2, 4, 199)),
        ("year = 1700", lambda item: False),
    ],
)
def test_a_rule_allows_as_many_as_it_should(signatures: dict, model: TwoStageModel, rule: str, allowed) -> None:
    found, scores = ask(signatures["retrieve_among"], rule=[rule] * 3)
    for row, expected in enumerate(first_stage(model, [allowed_by(allowed)] * 3)):
        best = expected[:CANDIDATES]
        assert list(found[row, : len(best)]) == best
        assert np.all(found[row, len(best) :] == 0)
        assert np.all(scores[row, len(best) :] == LAST)


def test_rows_have_rules_and_lists_of_their_own(signatures: dict, model: TwoStageModel) -> None:
    found, _ = ask(signatures["retrieve_among"], strings([MANY[0], [], []]), rule=["in_stock", "", "not in_stock"])
    kept = [list(filter(in_stock, MANY[0])), allowed_by(bool), list(range(10, ITEMS + 1, 10))]
    for row, expected in enumerate(first_stage(model, kept)):
        best = expected[:CANDIDATES]
        assert list(found[row, : len(best)]) == best
    cut, _ = ask(signatures["recommend_among"], rule=["in_stock", "sale", "sale and in_stock"], k=tf.constant(3))
    assert all(in_stock(item) for item in cut[0])
    assert set(cut[1]) == {4, 199, 0}
    assert list(cut[2]) == [2, 4, 199]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("stock", "`rule` must name some of: cheap, country, in_stock, sale, year. Received:.*stock"),
        ("(in_stock)", "`rule` must be terms such as"),
        ("year > new", "`rule` must compare a number with a number"),
    ],
)
def test_what_is_no_rule_is_the_callers_error(signatures: dict, rule: str, message: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(signatures["retrieve_among"], rule=["", rule, ""])


def test_the_second_stage_orders_what_is_allowed(signatures: dict, model: TwoStageModel) -> None:
    found, scores = ask(signatures["recommend_among"], strings(MANY), k=tf.constant(10))
    retrieved = first_stage(model, MANY)
    context = tiny.make_context([1, 2], HISTORIES[:2], exclude=HISTORIES[:2])
    ranked = model.rank(context, tf.constant([items[:CANDIDATES] for items in retrieved[:2]], tf.int64)).numpy()
    for row in range(2):
        order = np.argsort(-ranked[row])[:10]
        assert list(found[row]) == [retrieved[row][place] for place in order]
        np.testing.assert_allclose(scores[row], ranked[row][order], rtol=1e-4, atol=1e-4)
    assert list(found[2]) == list(range(30, 40))


def test_as_many_as_are_allowed_are_answered(signatures: dict) -> None:
    found, _ = ask(signatures["recommend_among"], strings(FEW), k=tf.constant(3))
    # Of the history, as 3, 150 and 9 are here, nothing is answered even where it is allowed.
    assert [set(row) for row in found] == [{5, 80, 0}, {4, 6, 7}, {2, 50, 100}]
    excluded, _ = ask(signatures["recommend_among"], strings(FEW), strings([[80], [1], [2]]), k=tf.constant(3))
    assert [set(row) for row in excluded] == [{5, 0}, {4, 6, 7}, {50, 100, 0}]


def test_a_row_of_padding_allows_everything_and_one_of_unknown_items_nothing(signatures: dict) -> None:
    allow = tf.constant([["", ""], ["never heard of", ""], ["item 4", "never heard of"]])
    found, scores = ask(signatures["recommend_among"], allow, k=tf.constant(5))
    free = signatures["recommend"](user_id=USERS, history=strings(HISTORIES), exclude=NOTHING, k=tf.constant(5))
    np.testing.assert_array_equal(found[0], numbers(free["item_id"])[0])
    np.testing.assert_allclose(scores[0], free["score"][0], rtol=1e-5)
    assert list(found[1]) == [0] * 5
    assert list(found[2]) == [4, 0, 0, 0, 0]
    everything, _ = ask(signatures["retrieve_among"])
    np.testing.assert_array_equal(
        everything, numbers(signatures["retrieve"](user_id=USERS, history=strings(HISTORIES))["item_id"])
    )


def test_no_rows_are_no_answers(signatures: dict) -> None:
    nobody = tf.zeros([0, 0], tf.string)
    inputs = {"user_id": tf.zeros([0], tf.string), "history": nobody, "exclude": nobody, "allow": nobody}
    inputs["rule"] = tf.zeros([0], tf.string)
    assert signatures["retrieve_among"](**inputs)["item_id"].shape == (0, CANDIDATES)
