"""What is found on disk and in configs."""

import pathlib

import pytest

from model_server.models import sources
from model_server.models.sources import ModelSource, VersionPolicy


def make(root: pathlib.Path, *folders: str) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True)


def test_versions_are_the_folders_named_by_a_number(tmp_path: pathlib.Path):
    make(tmp_path, "007", "12", "x", "-3", ".5", "1.5", "99999999999999999999")
    (tmp_path / "13").write_text("a file")
    source = ModelSource("m", str(tmp_path))
    assert source.versions() == {7: f"{tmp_path}/007", 12: f"{tmp_path}/12"}
    assert ModelSource("m", f"{tmp_path}/missing").versions() is None


def test_models_below_a_folder(tmp_path: pathlib.Path):
    make(tmp_path, "a/1", "b/2", "c/no_version", ".hidden/1")
    discover = sources.below(str(tmp_path))
    assert set(discover()) == {"a", "b"}
    make(tmp_path, "d/1")
    assert discover()["d"].base_path == f"{tmp_path}/d"
    assert sources.below(f"{tmp_path}/missing")() is None


def test_earlier_sources_decide(tmp_path: pathlib.Path):
    make(tmp_path, "a/1", "b/1")
    named = ModelSource("a", "elsewhere")
    merged = sources.merged([sources.fixed([named]), sources.below(str(tmp_path))])()
    assert merged["a"] is named
    assert set(merged) == {"a", "b"}


def test_config_file(tmp_path: pathlib.Path):
    config = tmp_path / "models.config"
    config.write_text("""
        model_config_list {
          config { name: "default" base_path: "/a/" }
          config { name: "two" base_path: "/b" model_version_policy { latest { num_versions: 2 } } }
          config { name: "all" base_path: "/c" model_version_policy { all {} } }
          config {
            name: "some" base_path: "/d" model_platform: "tensorflow"
            model_version_policy { specific { versions: 3 versions: 5 } }
            version_labels { key: "stable" value: 3 }
          }
        }""")
    assert sources.read_config_file(str(config)) == [
        ModelSource("default", "/a"),
        ModelSource("two", "/b", VersionPolicy(latest=2)),
        ModelSource("all", "/c", VersionPolicy(latest=None)),
        ModelSource("some", "/d", VersionPolicy(specific=frozenset({3, 5})), {"stable": 3}),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_config_list { oops }", "`model_config_file` must be a text proto"),
        ("", "`model_config_file` must hold a model_config_list"),
        ('model_config_list { config { name: "m" } }', "`base_path` must be a folder"),
        ('model_config_list { config { base_path: "/m" } }', "`name` must be non-empty"),
        (
            'model_config_list { config { name: "m" base_path: "/m" model_platform: "other" } }',
            "`model_platform` must be tensorflow. Received: model_platform='other'",
        ),
    ],
)
def test_bad_config_file(text: str, message: str, tmp_path: pathlib.Path):
    config = tmp_path / "models.config"
    config.write_text(text)
    with pytest.raises(ValueError, match=message):
        sources.read_config_file(str(config))


def test_names_must_differ():
    twice = [ModelSource("m", "/a"), ModelSource("m", "/b")]
    with pytest.raises(ValueError, match="Model names must differ"):
        sources.fixed(twice)
