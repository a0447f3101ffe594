"""Models from configurations, and configurations that fit no data."""

import numpy as np
import pytest

from modules.models.build import build_model, check_parts, check_scores
from modules.models.samplers.midx import MIDXSampler
from modules.models.samplers.mixture import UniformMixture
from tests.modules import tiny
from tests.modules.models.algorithms.batches import CONTEXT, POSITIVES


def test_components_are_those_of_the_configuration() -> None:
    config = tiny.make_config(retriever=tiny.SASREC, ranker=tiny.DIN, sampler=tiny.MIDX)
    model = build_model(config, tiny.make_corpus(), seed=1)
    names = [type(part).__name__ for part in (model, model.retriever, model.ranker, model.sampler)]
    assert names == ["CoRR", "SASRec", "DIN", "MIDXSampler"]
    assert model.config == config
    assert len(model.retriever._encoder.blocks) == 1


def test_equal_seeds_give_equal_weights_and_others_give_others() -> None:
    weights = []
    for seed in (1, 1, 2):
        model = build_model(tiny.make_config(), tiny.make_corpus(), seed)
        model.rank(CONTEXT, POSITIVES[:, np.newaxis])
        weights.append([weight.numpy() for weight in model.trainable_variables])
    for first, again in zip(weights[0], weights[1], strict=True):
        np.testing.assert_array_equal(first, again)
    assert np.any(weights[0][0] != weights[2][0])


def test_a_uniform_share_wraps_the_proposal() -> None:
    model = build_model(tiny.make_config(sampler=tiny.MIDX, uniform_share=0.25), tiny.make_corpus(), seed=1)
    assert isinstance(model.sampler, UniformMixture)
    assert model.sampler.refresh_steps == 100
    model = build_model(tiny.make_config(sampler=tiny.MIDX), tiny.make_corpus(), seed=1)
    assert isinstance(model.sampler, MIDXSampler)


@pytest.mark.parametrize(
    ("stage", "chosen", "able"), [("retriever", tiny.SASREC, "'mf'"), ("ranker", tiny.DIN, "'deepfm'")]
)
def test_stages_must_be_able_to_read_the_task(stage: str, chosen: dict, able: str) -> None:
    config = tiny.make_config(**{stage: chosen})
    check_parts(config, "sequential")
    message = (
        rf"`model.{stage}.name` must be one of \[.*{able}.*\] for the general task .* Received: '{chosen['name']}'"
    )
    with pytest.raises(ValueError, match=message):
        check_parts(config, "general")


@pytest.mark.parametrize(
    ("retriever", "ranker", "algorithm", "fits"),
    [
        ("ease", "none", "closed_form", True),
        ("ease", "none", "retriever_only", False),
        ("ease", "deepfm", "closed_form", False),
        ("mf", "none", "closed_form", False),
    ],
)
def test_what_is_computed_is_not_trained(retriever: str, ranker: str, algorithm: str, fits: bool) -> None:
    names = {"retriever": retriever, "ranker": ranker, "algorithm": algorithm}
    config = tiny.make_config(**{key: {"name": name} for key, name in names.items()})
    if fits:
        check_parts(config, "general")
        return
    with pytest.raises(
        ValueError, match=f"must be 'closed_form', and .* '{algorithm}' and '{ranker}' .* '{retriever}'"
    ):
        check_parts(config, "general")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampler": {"name": "exact"}}, r"`model.sampler` must be one of \['midx', 'popularity', 'uniform'\] for a"),
        ({"sampler": {"name": "toprand", "pool_size": 5}}, "Received: 'toprand' with {'pool_size': 5}"),
        ({"sampler": {"name": "top_and_rand", "pool_size": 5}}, "Received: 'top_and_rand'"),
        ({"algorithm": {"name": "retriever_only"}}, r"`model.algorithm` must be one of \['closed_form', 'corr', "),
        ({"algorithm": {"name": "masked_items"}}, "Received: 'masked_items'"),
        ({"candidates": "all"}, "`model.candidates` must be a number for a corpus of 1100000 items and batches of 256"),
    ],
)
def test_no_batch_is_scored_against_a_corpus_too_large_for_it(change: dict, message: str) -> None:
    config = tiny.make_config(**change)
    check_scores(config, 256, 1_000_000)
    check_scores(config, 200, 1_100_000)
    with pytest.raises(ValueError, match=message):
        check_scores(config, 256, 1_100_000)


@pytest.mark.parametrize(
    "change",
    [
        {"sampler": tiny.MIDX},
        {"sampler": {"name": "popularity"}},
        {"algorithm": {"name": "rankflow"}},
        {"retriever": {"name": "dssm"}},
        {"algorithm": {"name": "retriever_only", "loss": "bpr"}},
    ],
)
def test_what_scores_draws_alone_goes_with_any_corpus(change: dict) -> None:
    check_scores(tiny.make_config(**change), 4096, 100_000_000)
