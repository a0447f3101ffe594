"""Settings in layers and by dotted keys."""

from modules.tuning.overrides import merge, override

SETTINGS = {
    "model": {"retriever": {"name": "sasrec", "blocks": 1}, "ranker": {"name": "din"}, "sampler": {"name": "uniform"}},
    "training": {"epochs": 3},
}


def test_component_of_another_name_replaces_the_whole() -> None:
    lower = {"ranker": {"name": "din", "dropout": 0.1}}
    assert merge(lower, {"ranker": {"name": "deepfm"}}) == {"ranker": {"name": "deepfm"}}
    assert merge(lower, {"ranker": {"hidden_units": [4]}})["ranker"] == {
        "name": "din",
        "dropout": 0.1,
        "hidden_units": [4],
    }


def test_a_dotted_key_changes_one_value_and_not_what_it_is_given() -> None:
    changed = override(SETTINGS, [("training.weight_decay", 0.1), ("model.ranker.attention_units", 4)])
    assert changed["training"] == {"epochs": 3, "weight_decay": 0.1}
    assert changed["model"]["ranker"] == {"name": "din", "attention_units": 4}
    assert SETTINGS["training"] == {"epochs": 3}
    assert SETTINGS["model"]["ranker"] == {"name": "din"}


def test_a_star_stands_for_every_component_with_the_option() -> None:
    model = override(SETTINGS, [("model.*.dropout", 0.4)])["model"]
    assert model["retriever"] == {"name": "sasrec", "blocks": 1, "dropout": 0.4}
    assert model["ranker"] == {"name": "din", "dropout": 0.4}
    assert model["sampler"] == {"name": "uniform"}
