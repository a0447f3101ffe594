"""The inverted multi-index against its closed form, computed item by item in numpy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from modules.models.corpus import Corpus
from modules.models.samplers.midx import MIDXSampler
from tests.modules import tiny
from tests.modules.goodness import SIGNIFICANCE, chi_square

ITEMS, WIDTH = 60, 8
HALF = WIDTH // 2
SEED = tf.constant([11, 3], tf.int64)
ALL = tf.range(1, ITEMS + 1, dtype=tf.int64)[tf.newaxis]
WITHIN_CELL = ["uniform", "popularity"]


def normals(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)


def make_sampler(
    codewords: int, temperature: float = 1.0, corpus: Corpus | None = None, within_cell: str = "uniform"
) -> MIDXSampler:
    options = MIDXSampler.Options(codewords=codewords, temperature=temperature, within_cell=within_cell)
    return MIDXSampler(corpus or tiny.make_corpus(ITEMS), WIDTH, options, seed=1)


def nearest(points: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    return ((points[:, np.newaxis] - codebook) ** 2).sum(axis=2).argmin(axis=1)


def item_weights(within_cell: str) -> np.ndarray:
    """Returns the weights `[N]` of the items of `tiny.make_corpus(ITEMS)`, whose counts fall from N to 1."""
    return np.arange(ITEMS, 0, -1.0) if within_cell == "popularity" else np.ones(ITEMS)


def closed_form(
    candidates: np.ndarray,
    codebooks: np.ndarray,
    query: np.ndarray,
    temperature: float,
    weights: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Returns log q `[B, N]` = (<z^1, w^1(i)> + <z^2, w^2(i)>) / T + log p_i - log sum over the items of the same."""
    words = [codebooks[h][nearest(half, codebooks[h])] for h, half in enumerate(np.split(candidates[1:], 2, axis=1))]
    scores = query.astype(np.float64) @ np.concatenate(words, axis=1).T / temperature + np.log(weights)
    return scores - logsumexp(scores, axis=1, keepdims=True)


@pytest.mark.parametrize("within_cell", WITHIN_CELL)
@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("codewords", [4, 8, 16, 32])
def test_log_prob_and_draws_are_those_of_the_closed_form(codewords: int, temperature: float, within_cell: str) -> None:
    candidates, codebooks, query = normals(ITEMS + 1, WIDTH), normals(2, codewords, HALF, seed=1), normals(2, WIDTH)
    sampler = make_sampler(codewords, temperature, within_cell=within_cell)
    sampler.set_codebooks([tf.constant(candidates)], tf.constant(codebooks))
    # With K^2 >= 16 cells for 60 items, and 1,024 at K = 32, many cells are empty.
    assert sampler.diagnostics()["occupied_cells"] < 1
    expected = closed_form(candidates, codebooks, query, temperature, item_weights(within_cell))
    log_q = sampler.log_prob(tf.constant(query), ALL).numpy()
    np.testing.assert_allclose(log_q, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(logsumexp(log_q.astype(np.float64), axis=1), [0, 0], atol=1e-5)

    draws = sampler.sample(tf.constant(query), 10_000, SEED)
    for row in range(2):
        assert chi_square(draws.ids.numpy()[row], np.append(0, np.exp(expected[row]))) > SIGNIFICANCE
    drawn = np.take_along_axis(expected, draws.ids.numpy() - 1, axis=1)
    np.testing.assert_allclose(draws.log_q, drawn, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("within_cell", WITHIN_CELL)
def test_the_papers_two_draws_have_the_same_law(within_cell: str) -> None:
    """Section 4.1.1: k1 from psi, then k2 given k1, must reach each cell as often as the items in it are drawn."""
    codewords, temperature = 4, 0.5
    candidates, codebooks, query = normals(ITEMS + 1, WIDTH), normals(2, codewords, HALF, seed=1), normals(WIDTH)
    codes = [nearest(half, codebooks[h]) for h, half in enumerate(np.split(candidates[1:], 2, axis=1))]
    omega = np.zeros([codewords, codewords])
    np.add.at(omega, tuple(codes), item_weights(within_cell))
    first, second = (np.exp(codebooks[h] @ query[h * HALF : (h + 1) * HALF] / temperature) for h in range(2))

    psi = omega @ second
    of_first = psi * first / np.sum(psi * first)
    of_second = omega * second / psi[:, np.newaxis]
    expected = of_first[:, np.newaxis] * of_second

    sampler = make_sampler(codewords, temperature, within_cell=within_cell)
    sampler.set_codebooks([tf.constant(candidates)], tf.constant(codebooks))
    stated = np.zeros_like(expected)
    np.add.at(stated, tuple(codes), np.exp(sampler.log_prob(query[np.newaxis], ALL).numpy()[0]))
    np.testing.assert_allclose(stated, expected, rtol=1e-4, atol=1e-7)

    ids = sampler.sample(tf.constant(query[np.newaxis]), 20_000, SEED).ids.numpy()[0]
    cells = codes[0][ids - 1] * codewords + codes[1][ids - 1]
    assert chi_square(cells + 1, np.append(0, expected.ravel())) > SIGNIFICANCE


def test_items_of_a_cell_are_alike_and_empty_cells_are_never_drawn() -> None:
    candidates = np.zeros([5, WIDTH], np.float32)
    candidates[3:] = 10.0
    codebooks = np.zeros([2, 3, HALF], np.float32)
    codebooks[:, 1], codebooks[:, 2] = 10.0, 1e3
    sampler = make_sampler(3, corpus=tiny.make_corpus(4))
    sampler.set_codebooks([tf.constant(candidates)], tf.constant(codebooks))
    assert float(sampler.diagnostics()["occupied_cells"]) == pytest.approx(2 / 9)
    query = np.zeros([1, WIDTH], np.float32)
    # exp(0) for items 1 and 2, exp(10 * 2 * 0.1) for items 3 and 4; nothing for the words at 1,000.
    query[:, [0, HALF]] = 0.1
    expected = np.array([1, 1, np.exp(2), np.exp(2)]) / (2 + 2 * np.exp(2))
    np.testing.assert_allclose(np.exp(sampler.log_prob(query, tf.constant([[1, 2, 3, 4]]))), [expected], rtol=1e-5)
    ids = sampler.sample(tf.constant(query), 10_000, SEED).ids.numpy()[0]
    assert chi_square(ids, np.append(0, expected)) > SIGNIFICANCE


def test_items_of_a_cell_are_drawn_by_their_counts_and_untaken_ones_as_if_taken_once() -> None:
    corpus = Corpus(np.array([0, 7, 0, 2, 1, 3], np.float32), 3)
    # Items 1, 2 and 5 on one word, 3 and 4 on the other.
    candidates = np.zeros([6, WIDTH], np.float32)
    candidates[3:5] = 10.0
    codebooks = np.stack([np.zeros([2, HALF]), np.zeros([2, HALF])]).astype(np.float32)
    codebooks[:, 1] = 10.0
    sampler = make_sampler(2, corpus=corpus, within_cell="popularity")
    sampler.set_codebooks([tf.constant(candidates)], tf.constant(codebooks))
    query = np.zeros([1, WIDTH], np.float32)
    query[:, [0, HALF]] = 0.1
    weights = np.array([7, 1, 2 * np.exp(2), np.exp(2), 3])
    expected = weights / weights.sum()
    np.testing.assert_allclose(np.exp(sampler.log_prob(query, tf.constant([[1, 2, 3, 4, 5]]))), [expected], rtol=1e-5)
    ids = sampler.sample(tf.constant(query), 10_000, SEED).ids.numpy()[0]
    assert chi_square(ids, np.append(0, expected)) > SIGNIFICANCE


def test_rare_items_behind_a_common_one_are_within_reach() -> None:
    # A float32 sum of the weights would stand still at 1e8.
    items, draws = 100_001, 200_000
    counts = np.ones(items + 1, np.float32)
    counts[1] = 1e8
    sampler = make_sampler(1, corpus=Corpus(counts, 3), within_cell="popularity")
    sampler.set_codebooks([tf.zeros([items + 1, WIDTH])], tf.zeros([2, 1, HALF]))
    ids = sampler.sample(tf.zeros([1, WIDTH]), draws, SEED).ids.numpy()[0]
    rare = ids[ids > 1]
    # One draw in a thousand: a binomial of mean 200 stays within 5 standard deviations, and spreads over the items.
    assert abs(len(rare) - 200) < 71
    assert rare.min() < 10_000
    assert 90_000 < rare.max() <= items


@pytest.mark.parametrize("scale", [1e3, 1e4])
def test_huge_logits_are_drawn_and_stay_finite(scale: float) -> None:
    candidates, codebooks = normals(ITEMS + 1, WIDTH), normals(2, 8, HALF, seed=1)
    query = scale * normals(3, WIDTH, seed=2)
    sampler = make_sampler(8)
    sampler.set_codebooks([tf.constant(candidates)], tf.constant(codebooks))
    draws = sampler.sample(tf.constant(query), 200, SEED)
    assert np.all(np.isfinite(draws.log_q))
    log_q = sampler.log_prob(tf.constant(query), ALL).numpy()
    assert log_q.min() < -scale
    np.testing.assert_allclose(log_q, closed_form(candidates, codebooks, query, 1.0), rtol=1e-4, atol=scale * 1e-5)
    np.testing.assert_allclose(logsumexp(log_q.astype(np.float64), axis=1), np.zeros(3), atol=scale * 1e-6)


def test_high_temperature_is_uniform_and_low_is_the_best_cell() -> None:
    candidates, codebooks, query = normals(ITEMS + 1, WIDTH), normals(2, 4, HALF, seed=1), normals(2, WIDTH)
    hot, cold = make_sampler(4, 1e6), make_sampler(4, 1e-3)
    for sampler in (hot, cold):
        sampler.set_codebooks([tf.constant(candidates)], tf.constant(codebooks))
    np.testing.assert_allclose(hot.log_prob(query, ALL), np.full([2, ITEMS], -np.log(ITEMS)), atol=1e-4)
    popular = make_sampler(4, 1e6, within_cell="popularity")
    popular.set_codebooks([tf.constant(candidates)], tf.constant(codebooks))
    weights = item_weights("popularity")
    np.testing.assert_allclose(popular.log_prob(query, ALL), [np.log(weights / weights.sum())] * 2, atol=1e-4)
    log_q = closed_form(candidates, codebooks, query, 1.0)
    draws = cold.sample(tf.constant(query), 2_000, SEED).ids.numpy()
    for row in range(2):
        best = 1 + np.flatnonzero(log_q[row] > log_q[row].max() - 1e-5)
        assert len(best) > 1
        assert set(draws[row]) == set(best)
        stated = cold.log_prob(query, best[np.newaxis])[row]
        np.testing.assert_allclose(stated, np.full(len(best), -np.log(len(best))), atol=1e-3)


def test_padding_takes_no_part() -> None:
    candidates, codebooks = normals(ITEMS + 1, WIDTH), normals(2, 4, HALF, seed=1)
    moved = candidates.copy()
    moved[0] = 1e3
    query = tf.constant(normals(2, WIDTH))
    found = []
    for table in (candidates, moved):
        sampler = make_sampler(4)
        sampler.set_codebooks([tf.constant(table)], tf.constant(codebooks))
        found.append(sampler.log_prob(query, ALL))
    np.testing.assert_array_equal(*found)


def test_a_refresh_clusters_the_items() -> None:
    # Two far groups in each half: four cells, no error left once each word sits on its group.
    signs = np.array([[a, b] for a in (-10, 10) for b in (-10, 10)], np.float32)
    candidates = np.repeat(np.tile(signs, [15, 1]), HALF, axis=1)
    candidates = np.concatenate([np.zeros([1, WIDTH], np.float32), candidates])
    sampler = make_sampler(2)
    sampler.refresh([tf.constant(candidates)])
    assert float(sampler.diagnostics()["occupied_cells"]) == 1
    assert float(sampler.diagnostics()["codebook_residual"]) == pytest.approx(0, abs=1e-6)
    # Codewords equal to the items make the proposal exact.
    query = normals(2, WIDTH, scale=0.05)
    scores = query @ candidates[1:].T
    np.testing.assert_allclose(
        sampler.log_prob(query, ALL), scores - logsumexp(scores, axis=1, keepdims=True), rtol=1e-4
    )


def test_refreshes_start_from_the_last_codebooks() -> None:
    candidates = tf.constant(normals(ITEMS + 1, WIDTH))
    sampler = make_sampler(4)
    residuals = []
    for _ in range(8):
        sampler.refresh([candidates])
        residuals.append(float(sampler.diagnostics()["codebook_residual"]))
    assert all(after <= before + 1e-6 for before, after in zip(residuals, residuals[1:], strict=False))
    ids, query = ALL, tf.constant(normals(2, WIDTH))
    before = sampler.log_prob(query, ids)
    # Lloyd's iterations have come to rest; a random start would end elsewhere.
    sampler.refresh([candidates])
    np.testing.assert_array_equal(sampler.log_prob(query, ids), before)
    sampler.refresh([candidates + 0.01])
    assert 0 < np.abs(sampler.log_prob(query, ids) - before).max() < 0.5


@pytest.mark.parametrize("sizes", [[2, ITEMS - 1], [20, 20, ITEMS - 39]])
def test_a_refresh_does_not_feel_the_parts(sizes: list[int]) -> None:
    candidates, query = normals(ITEMS + 1, WIDTH), tf.constant(normals(2, WIDTH))
    whole, parted = make_sampler(4), make_sampler(4)
    for _ in range(2):
        whole.refresh([tf.constant(candidates)])
        parted.refresh([tf.Variable(part) for part in np.split(candidates, np.cumsum(sizes)[:-1])])
    np.testing.assert_allclose(parted.log_prob(query, ALL), whole.log_prob(query, ALL), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(parted.sample(query, 50, SEED).ids, whole.sample(query, 50, SEED).ids)
    for name, value in whole.diagnostics().items():
        assert float(parted.diagnostics()[name]) == pytest.approx(float(value), rel=1e-5), name


def test_codebook_residual_is_the_missed_share_of_the_energy() -> None:
    candidates, codebooks = normals(ITEMS + 1, WIDTH), normals(2, 4, HALF, seed=1)
    words = [codebooks[h][nearest(half, codebooks[h])] for h, half in enumerate(np.split(candidates[1:], 2, axis=1))]
    missed = ((candidates[1:] - np.concatenate(words, axis=1)) ** 2).sum()
    sampler = make_sampler(4)
    sampler.set_codebooks([tf.constant(candidates)], tf.constant(codebooks))
    found = float(sampler.diagnostics()["codebook_residual"])
    assert found == pytest.approx(missed / (candidates[1:] ** 2).sum(), rel=1e-5)


@pytest.mark.parametrize("within_cell", WITHIN_CELL)
def test_the_index_is_in_the_checkpoint(tmp_path, within_cell: str) -> None:
    saved, restored = (make_sampler(4, within_cell=within_cell) for _ in range(2))
    saved.refresh([tf.constant(normals(ITEMS + 1, WIDTH))])
    path = tf.train.Checkpoint(sampler=saved).save(str(tmp_path / "sampler"))
    tf.train.Checkpoint(sampler=restored).restore(path).assert_consumed()
    query = tf.constant(normals(2, WIDTH))
    first, again = (sampler.sample(query, 100, SEED) for sampler in (saved, restored))
    np.testing.assert_array_equal(first.ids, again.ids)
    np.testing.assert_array_equal(first.log_q, again.log_q)


def test_embeddings_must_have_two_halves() -> None:
    with pytest.raises(ValueError, match="`embedding_dim` must be even .* Received: embedding_dim=7"):
        MIDXSampler(tiny.make_corpus(ITEMS), 7, MIDXSampler.Options(), seed=1)
