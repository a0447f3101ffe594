"""Answers that are picked item by item, against a greedy choice written out in Python."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from modules.serving.chances import chances, pick
from tests.modules.export.exports import CANDIDATES
from tests.modules.serving.served import LAST, facts, numbers, strings

USERS = tf.constant(["user 1", "user 2"])
HISTORIES = [[3, 7, 11], [150, 2, 9]]
NOTHING = tf.zeros([2, 0], tf.string)
OFF = {"caps": ["", ""], "diversity": 0.0, "epsilon": 0.0, "temperature": 0.0, "seed": 0}
TYPES = {"caps": tf.string, "seed": tf.int64, "k": tf.int32}


def inputs(k, rows: int = 2, **wishes) -> dict[str, tf.Tensor]:
    given = {"user_id": USERS, "history": strings(HISTORIES), "exclude": NOTHING, "allow": NOTHING, "rule": ["", ""]}
    given = {name: tf.convert_to_tensor(value)[:rows] for name, value in given.items()}
    wanted = OFF | {"k": k, "caps": [""] * rows} | wishes
    return given | {name: tf.constant(value, TYPES.get(name, tf.float32)) for name, value in wanted.items()}


def ask(signature, k, **wishes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    answer = signature(**inputs(k, **wishes))
    return numbers(answer["item_id"]), answer["score"].numpy(), answer["propensity"].numpy()


@pytest.fixture
def varied(signatures: dict):
    return signatures["recommend_varied"]


@pytest.fixture
def ranked(signatures: dict) -> tuple[np.ndarray, np.ndarray]:
    answer = signatures["recommend"](
        user_id=USERS, history=strings(HISTORIES), exclude=NOTHING, k=tf.constant(CANDIDATES)
    )
    return numbers(answer["item_id"]), answer["score"].numpy()


def greedy(items, scores, vectors, diversity: float, caps: dict[int, int], k: int) -> list[int]:
    """Returns the picks of maximal marginal relevance over scores scaled to [0, 1]; `caps` are by country."""
    countries = facts().categories["country"].table
    scaled = (scores - scores.min()) / (scores.max() - scores.min())
    directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    picked: list[int] = []
    while len(picked) < k:
        count = Counter(country for item in picked for country in countries[item] if country)
        left = [
            (place, item)
            for place, item in enumerate(items)
            if item not in picked and all(count[c] < caps.get(c, 99) for c in countries[item] if c)
        ]
        if not left:
            break
        likeness = {item: max([0.0, *(directions[item] @ directions[other] for other in picked)]) for _, item in left}
        picked.append(max(left, key=lambda at: (1 - diversity) * scaled[at[0]] - diversity * likeness[at[1]])[1])
    return picked


def test_without_wishes_it_is_the_plain_answer(varied, ranked) -> None:
    items, scores, propensity = ask(varied, [4, 2])
    np.testing.assert_array_equal(items[0], ranked[0][0, :4])
    np.testing.assert_array_equal(items[1], [*ranked[0][1, :2], 0, 0])
    np.testing.assert_allclose(scores[0], ranked[1][0, :4], rtol=1e-5)
    np.testing.assert_array_equal(propensity, [[1, 1, 1, 1], [1, 1, 0, 0]])


@pytest.mark.parametrize(
    ("diversity", "caps", "cap"),
    [
        ([0.7, 0.2], ["", ""], {}),
        ([0.0, 0.0], ["country <= 2"] * 2, {1: 2, 2: 2}),
        ([0.5, 0.9], ["country<=1 and in_stock <= 9"] * 2, {1: 1, 2: 1}),
    ],
)
def test_diversity_and_caps_are_those_of_a_greedy_choice(
    varied, ranked, model: TwoStageModel, diversity, caps, cap
) -> None:
    items, scores, propensity = ask(varied, 9, diversity=diversity, caps=caps)
    vectors = model.retriever.all_candidates().numpy()
    for row in range(2):
        expected = greedy(ranked[0][row], ranked[1][row], vectors, diversity[row], cap, 9)
        assert list(items[row, : len(expected)]) == expected
        assert np.all(items[row, len(expected) :] == 0)
        assert np.all(scores[row, len(expected) :] == LAST)
        own = dict(zip(ranked[0][row], ranked[1][row], strict=True))
        np.testing.assert_allclose(scores[row, : len(expected)], [own[item] for item in expected], rtol=1e-4)
        np.testing.assert_allclose(propensity[row], (items[row] > 0).astype(float))


def test_one_row_may_wish_and_the_other_not(varied, ranked) -> None:
    items, _, _ = ask(varied, 5, caps=["country <= 1", ""])
    assert list(items[0]) != list(ranked[0][0, :5])
    np.testing.assert_array_equal(items[1], ranked[0][1, :5])


def test_a_cap_beyond_what_is_there_ends_the_answer(varied) -> None:
    items, scores, propensity = ask(varied, 30, caps=["in_stock <= 1"] * 2)
    # Every item is in stock or not.
    assert np.all((items > 0).sum(axis=1) <= 2)
    assert np.all(scores[items == 0] == LAST)
    assert np.all(propensity[items == 0] == 0)


def test_seeded_picks_come_again_and_have_the_propensities_of_the_formula(varied, ranked) -> None:
    wishes = {"temperature": [0.5, 0.0], "epsilon": [0.2, 0.3], "seed": [7, 8]}
    items, _, propensity = ask(varied, 6, **wishes)
    again, _, _ = ask(varied, 6, **wishes)
    np.testing.assert_array_equal(items, again)
    for row, temperature in enumerate(wishes["temperature"]):
        left = dict(zip(ranked[0][row], ranked[1][row].astype(np.float64), strict=True))
        for place, item in enumerate(items[row]):
            if temperature:
                weights = {other: np.exp((score - max(left.values())) / temperature) for other, score in left.items()}
                soft = weights[item] / sum(weights.values())
            else:
                soft = float(item == max(left, key=left.get))
            epsilon = wishes["epsilon"][row]
            expected = epsilon / len(left) + (1 - epsilon) * soft
            np.testing.assert_allclose(propensity[row, place], expected, rtol=1e-3)
            del left[item]


def test_items_are_picked_as_often_as_their_propensity_says(loaded: dict) -> None:
    varied = loaded["exact"].signatures["recommend_varied"]
    count, found, chance = 3000, Counter(), {}
    request = inputs(1, 1, temperature=1.0, epsilon=0.1)
    many = {name: tf.repeat(request[name], count, axis=0) for name in ("user_id", "history")}
    many |= {name: tf.zeros([count, 0], tf.string) for name in ("exclude", "allow")}
    many |= {name: tf.fill([count], "") for name in ("rule", "caps")}
    answer = varied(**(request | many | {"seed": tf.range(1, count + 1, dtype=tf.int64)}))
    for item, propensity in zip(numbers(answer["item_id"])[:, 0], answer["propensity"].numpy()[:, 0], strict=True):
        found[item] += 1
        chance[item] = propensity
    expected = np.array([count * chance[item] for item in found])
    often = expected > 5
    observed = np.array(list(found.values()))
    statistic = np.sum((observed[often] - expected[often]) ** 2 / expected[often])
    # Three standard deviations of chi-square above its mean.
    assert statistic < often.sum() + 3 * np.sqrt(2 * often.sum())


def test_new_draws_without_a_seed(varied) -> None:
    first, second = (ask(varied, 30, epsilon=1.0)[0] for _ in range(2))
    assert not np.array_equal(first, second)
    assert all(len(set(row)) == 30 for row in first)


def test_chances_and_picks_by_hand() -> None:
    left = tf.constant([[True, False, True, True], [False] * 4])
    utility = tf.constant([[0.0, 9.0, np.log(3.0), -np.inf]] * 2)
    found = chances(utility, left, tf.constant([0.3, 0.3]), tf.constant([1.0, 1.0])).numpy()
    np.testing.assert_allclose(found, [[0.1 + 0.7 / 4, 0, 0.1 + 0.7 * 3 / 4, 0.1], [0] * 4], rtol=1e-5)
    # Draws at the borders of 0.2 | 0 | 0.8 never fall on the second.
    for draw, column in ((0.0, 0), (0.19, 0), (0.2, 2), (0.999999, 2)):
        assert pick(tf.constant([[0.2, 0.0, 0.8]]), tf.constant([draw])).numpy()[0] == column


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"diversity": 1.0}, "`diversity` must be at least 0 and below 1"),
        ({"epsilon": [0.0, -0.1]}, "`epsilon` must be from 0 to 1"),
        ({"temperature": float("nan")}, "`temperature` must be a number that is not negative"),
        ({"seed": [1, 2, 3]}, "`seed` must be one number, or one each row"),
        ({"caps": ["country <= 2", "year <= 2"]}, "`caps` must be such as genres <= 2.*of: country, in_stock"),
        ({"caps": ["country <= 2 or in_stock <= 3", ""]}, "`caps` must be such as genres <= 2"),
        ({"caps": ["country = 2", ""]}, "`caps` must be such as genres <= 2"),
    ],
)
def test_what_cannot_be_wished_is_the_callers_error(varied, wishes: dict, message: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(varied, 3, **wishes)
