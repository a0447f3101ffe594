"""What Kubeflow Pipelines needs to know is checked when it is read, with the key, the value and what was expected."""

from pathlib import Path

import pytest

from kubeflow.cluster import on_cluster, pipeline_name
from tests.kubeflow.cluster_config import IMAGE, write_cluster_config
from tfx_pipeline.config import DEFAULT_CONFIG, ConfigError, PipelineConfig, load_config
from tfx_pipeline.cron import check_cron, with_seconds


def _load(tmp_path: Path, text: str) -> PipelineConfig:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load_config(path)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{root: gs://b/corr}", ["`kubeflow.image`", "Field required"]),
        (f"{{image: {IMAGE}}}", ["`kubeflow.root`", "Field required"]),
        ("{image: corr, root: gs://b/corr}", ["`kubeflow.image`", "pattern", "'corr'"]),
        (f"{{image: {IMAGE}, root: var}}", ["`root` must be a gs:// or s3:// URI, or an absolute path", "'var'"]),
        (f"{{image: {IMAGE}, root: 'gs://'}}", ["`root` must be a gs:// or s3:// URI", "'gs://'"]),
        (f"{{image: {IMAGE}, root: hdfs://b/corr}}", ["`root` must be a gs:// or s3:// URI", "'hdfs://b/corr'"]),
        (f"{{image: {IMAGE}, root: /mnt/corr}}", ["`volume` must name the claim", "root='/mnt/corr'"]),
        (
            f"{{image: {IMAGE}, root: gs://b/corr, serving_directory: /mnt/models}}",
            ["`volume` must name the claim", "serving_directory='/mnt/models'"],
        ),
        (
            f"{{image: {IMAGE}, root: /srv/corr, volume: {{claim: corr, mount_path: /mnt/corr}}}}",
            ["`root` must lie below `volume.mount_path`, '/mnt/corr'", "'/srv/corr'"],
        ),
        (
            f"{{image: {IMAGE}, root: gs://b/corr, volume: {{claim: My_Claim}}}}",
            ["`kubeflow.volume.claim`", "pattern", "'My_Claim'"],
        ),
        (f"{{image: {IMAGE}, root: gs://b/c, resources: {{cpu: 0}}}}", ["`kubeflow.resources.cpu`", "greater than 0"]),
        (
            f"{{image: {IMAGE}, root: gs://b/c, components: {{Trainer: {{memory: 4Gi}}}}}}",
            ["`kubeflow.components.Trainer.memory`", "valid number", "'4Gi'"],
        ),
        (
            f"{{image: {IMAGE}, root: gs://b/c, components: {{Trainer: {{accelerator: {{count: 0}}}}}}}}",
            ["accelerator.count`", "greater than or equal to 1"],
        ),
        (f"{{image: {IMAGE}, root: gs://b/c, schedule: daily}}", ["must have five fields", "'daily'"]),
        (f"{{image: {IMAGE}, root: gs://b/c, cron: daily}}", ["`kubeflow.cron`", "not a known key"]),
    ],
)
def test_a_wrong_section_is_refused(tmp_path: Path, section: str, expected: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        _load(tmp_path, f"kubeflow: {section}")
    for part in expected:
        assert part in str(error.value)


@pytest.mark.parametrize(
    "expression", ["0 3 * * *", "*/15 * * * *", "0 0-6/2 1,15 * mon-fri", "5 4 * JAN 0", "59 23 31 12 6"]
)
def test_cron_expressions(expression: str) -> None:
    check_cron(expression)
    assert with_seconds(expression) == f"0 {expression}"


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("0 0 3 * * *", "five fields"),
        ("60 3 * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 3 0 * *", "day of month"),
        ("0 3 * 13 *", "month"),
        ("0 3 * * 7", "day of week"),
        ("0 3 * * funday", "day of week"),
        ("*/0 3 * * *", "minute"),
        ("5-2 3 * * *", "minute"),
        ("1, 3 * * *", "minute"),
        ("-1 3 * * *", "minute"),
    ],
)
def test_wrong_cron_expressions_name_the_field(expression: str, named: str) -> None:
    with pytest.raises(ValueError, match=named) as error:
        check_cron(expression)
    assert repr(expression) in str(error.value)


def test_a_bucket_passes_through_every_path(tmp_path: Path) -> None:
    config = on_cluster(
        _load(tmp_path, f"{{name: shop, kubeflow: {{image: {IMAGE}, root: 'gs://bucket/corr/', schedule: 0 3 * * *}}}}")
    )
    assert config.pipeline_root == "gs://bucket/corr/pipelines/shop"
    assert config.serving_model_dir == "gs://bucket/corr/serving_model"
    assert config.checkpoint_dir == "gs://bucket/corr/checkpoints/shop"
    assert config.data_dir == "gs://bucket/corr/data"


def test_models_may_go_elsewhere(tmp_path: Path) -> None:
    section = f"{{image: {IMAGE}, root: 'gs://bucket/corr', serving_directory: 's3://models/corr'}}"
    config = on_cluster(_load(tmp_path, f"kubeflow: {section}"))
    assert config.serving_model_dir == "s3://models/corr"
    assert config.data_dir == "gs://bucket/corr/data"


def test_the_local_run_knows_nothing_of_it(tmp_path: Path) -> None:
    config = _load(tmp_path, f"{{root: here, kubeflow: {{image: {IMAGE}, root: 'gs://bucket/corr'}}}}")
    assert config.data_dir == str(Path("here/data").resolve())
    assert config.serving_model_dir == str(Path("here/serving_model").resolve())


def test_a_component_has_what_it_sets_and_else_what_all_have(tmp_path: Path) -> None:
    section = (
        f"{{image: {IMAGE}, root: 'gs://b/c', resources: {{cpu: 1, memory: 2}}, "
        "components: {Trainer: {cpu: 8, accelerator: {}}}}"
    )
    kubeflow = _load(tmp_path, f"kubeflow: {section}").kubeflow
    assert kubeflow is not None
    trainer, other = kubeflow.resources_of("Trainer"), kubeflow.resources_of("Transform")
    assert (trainer.cpu, trainer.memory, other.cpu, other.memory) == (8, 2, 1, 2)
    assert trainer.accelerator is not None
    assert (trainer.accelerator.type, trainer.accelerator.count) == ("nvidia.com/gpu", 1)
    assert other.accelerator is None


def test_without_the_section_the_cluster_is_refused() -> None:
    with pytest.raises(ConfigError, match="`kubeflow` must be given"):
        on_cluster(load_config(DEFAULT_CONFIG))


@pytest.mark.parametrize("key", ["path", "items_path", "users_path"])
def test_data_must_be_named_from_the_root(tmp_path: Path, key: str) -> None:
    path = tmp_path / "config.yaml"
    write_cluster_config(tmp_path / "volume", path, data={key: "table.csv"})
    with pytest.raises(ConfigError, match=rf"`data\.{key}` must be a URI or an absolute path.*'table.csv'"):
        on_cluster(load_config(path))


@pytest.mark.parametrize(("given", "expected"), [("auto", "off"), ("kubernetes", "kubernetes"), ("off", "off")])
def test_this_machine_does_not_decide_for_the_cluster(tmp_path: Path, given: str, expected: str) -> None:
    path = tmp_path / "config.yaml"
    write_cluster_config(tmp_path / "volume", path, deployment={"infra_validator": given})
    assert on_cluster(load_config(path)).deployment.infra_validator == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Evaluator.corr_scann", "evaluator-corr-scann"), ("Trainer", "trainer"), ("_x__1_", "x-1")],
)
def test_names_are_those_of_kubernetes(name: str, expected: str) -> None:
    assert pipeline_name(name) == expected
