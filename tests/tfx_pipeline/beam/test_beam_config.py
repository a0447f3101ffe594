"""The section `beam` becomes Beam's own flags, and what cannot work is refused on load."""

from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    SparkRunnerOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.runners.runner import create_runner
from apache_beam.transforms import environments

from tests.tfx_pipeline.small_table import write_config, write_table
from tfx_pipeline.beam.config import BeamConfig
from tfx_pipeline.beam.engines import ENGINES, FlinkVersion
from tfx_pipeline.config import ConfigError, load_config
from tfx_pipeline.pipeline import create_data_pipeline

POOL = {"type": "external", "address": "localhost:50000"}
FLINK = {"master": "flink:8081", "environment": POOL}
SPARK = {"master": "spark://spark:7077", "environment": POOL}
DATAFLOW = {"project": "shop", "region": "europe-west4", "temp_location": "gs://shop/temp"}
DASK = {"scheduler": "tcp://dask:8786"}
PORTABLE = {"job_endpoint": "beam:8099", "environment": POOL}
SECTIONS = {"direct": {}, "flink": FLINK, "spark": SPARK, "dask": DASK, "portable": PORTABLE, "dataflow": DATAFLOW}


def _config(runner: str, **settings: Any) -> BeamConfig:
    if runner == "dataflow":
        settings.setdefault("sdk_container_image", "shop/pipeline:1")
    return BeamConfig(**{"runner": runner, runner: SECTIONS[runner], **settings})


def _options(runner: str, **settings: Any) -> PipelineOptions:
    return PipelineOptions(_config(runner, **settings).pipeline_args())


def test_nothing_said_is_the_runner_in_memory() -> None:
    assert BeamConfig().pipeline_args() == [
        "--runner=DirectRunner",
        "--direct_running_mode=in_memory",
        "--direct_num_workers=1",
        "--pickle_library=cloudpickle",
    ]


def test_processes_of_this_machine() -> None:
    config = BeamConfig(workers=0, direct={"mode": "multi_processing"})
    assert config.pipeline_args()[1:3] == ["--direct_running_mode=multi_processing", "--direct_num_workers=0"]


@pytest.mark.parametrize("runner", ["direct", "flink", "spark", "dataflow", "portable"])
def test_beam_knows_the_runners_by_their_names(runner: str) -> None:
    name = _options(runner).view_as(StandardOptions).runner
    assert type(create_runner(name)).__name__.endswith(f"{runner.capitalize()}Runner")


@pytest.mark.parametrize("runner", [runner for runner in ENGINES if runner != "dask"])
def test_beam_knows_every_flag(runner: str) -> None:
    workers = {} if runner == "direct" else {"workers": 3}
    options = _options(runner, **workers)
    kept = options.get_all_options(retain_unknown_options=True)
    assert set(kept) == set(options.get_all_options())


def test_flink() -> None:
    section = {**FLINK, "version": "1.18", "submit_uber_jar": True, "job_server_jar": "beam.jar"}
    options = _options("flink", workers=8, flink=section)
    flink = options.view_as(FlinkRunnerOptions)
    assert (flink.flink_master, flink.flink_version, flink.parallelism) == ("flink:8081", "1.18", 8)
    assert flink.flink_submit_uber_jar
    assert flink.flink_job_server_jar == "beam.jar"
    assert not _options("flink").view_as(FlinkRunnerOptions).flink_submit_uber_jar
    assert list(FlinkVersion.__args__) == FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS


def test_spark() -> None:
    section = {**SPARK, "submit_uber_jar": True, "rest_url": "http://spark:6066", "job_endpoint": "beam:8099"}
    options = _options("spark", workers=2, spark=section)
    spark, portable = options.view_as(SparkRunnerOptions), options.view_as(PortableOptions)
    assert (spark.spark_master_url, spark.spark_rest_url) == ("spark://spark:7077", "http://spark:6066")
    assert (portable.job_endpoint, int(portable.sdk_worker_parallelism)) == ("beam:8099", 2)


def test_dataflow() -> None:
    section = {**DATAFLOW, "machine_type": "n2-standard-8", "max_workers": 40, "service_account": "beam@shop"}
    options = _options("dataflow", workers=4, dataflow=section, options=["--experiments=use_runner_v2"])
    cloud, worker = options.view_as(GoogleCloudOptions), options.view_as(WorkerOptions)
    assert (cloud.project, cloud.region, cloud.temp_location) == ("shop", "europe-west4", "gs://shop/temp")
    assert cloud.service_account_email == "beam@shop"
    assert (worker.num_workers, worker.max_num_workers, worker.machine_type) == (4, 40, "n2-standard-8")
    assert worker.sdk_container_image == "shop/pipeline:1"
    assert options.get_all_options()["experiments"] == ["use_runner_v2"]


def test_code_is_shipped_where_there_is_no_image() -> None:
    packages = ["one.tar.gz", "two.whl"]
    config = BeamConfig(runner="dataflow", dataflow=DATAFLOW, setup_file="./setup.py", extra_packages=packages)
    setup = PipelineOptions(config.pipeline_args()).view_as(SetupOptions)
    assert (setup.setup_file, setup.extra_packages) == ("./setup.py", packages)


def test_the_workers_environments() -> None:
    def environment(**settings: Any) -> environments.Environment:
        portable = {"job_endpoint": "beam:8099", "environment": settings}
        options = _options("portable", portable=portable, sdk_container_image="shop/pipeline:1")
        return environments.Environment.from_options(options.view_as(PortableOptions))

    assert environment(**POOL).to_runner_api_parameter(None)[1].endpoint.url == "localhost:50000"
    process = environment(type="process", command="/opt/apache/beam/boot", variables={"A": "b c"})
    assert (process.command, process.env) == ("/opt/apache/beam/boot", {"A": "b c"})
    assert environment(type="docker").container_image == "shop/pipeline:1"
    assert isinstance(environment(type="loopback"), environments.PythonLoopbackEnvironment)


def test_every_component_gets_the_engine(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    write_table(table)
    write_config(tmp_path / "config.yaml", table, tmp_path / "var", beam={"runner": "portable", "portable": PORTABLE})
    config = load_config(tmp_path / "config.yaml")
    assert create_data_pipeline(config).beam_pipeline_args == config.beam.pipeline_args()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("runner: FlinkRuner", ["`beam.runner`", "'direct', 'flink', 'spark'", "did you mean 'flink'", "'FlinkRuner'"]),
        ("runner: [direct]", ["`beam.runner`", "must be one of"]),
        ("runner: flink", ["`beam`", "`flink` must be given", "environment", "master"]),
        ("{runner: dataflow, dataflow: {region: x}}", ["`beam.dataflow.project`", "required"]),
        (
            "{runner: dataflow, dataflow: {project: p, region: r, temp_location: /tmp/x}}",
            ["`beam.dataflow.temp_location`", "gs://", "'/tmp/x'"],
        ),
        (
            "{runner: dataflow, dataflow: {project: p, region: r, temp_location: gs://b/t}}",
            ["`sdk_container_image` or `setup_file` must be given", "'dataflow'"],
        ),
        (
            "{runner: dataflow, setup_file: setup.py, dataflow: {project: p, region: r, temp_location: gs://b/t}}",
            ["`kubeflow.root` must be a gs:// URI", "`beam.runner` is 'dataflow'", "'root': 'var'"],
        ),
        ("{dask: {scheduler: 'tcp://h:1'}}", ["`dask` must be left out", "`runner` is 'direct'"]),
        ("{runner: dask, dask: {scheduler: 'h:1'}}", ["`beam.dask.scheduler`", "tcp", "'h:1'"]),
        ("{runner: dask, workers: 2, dask: {scheduler: 'tcp://h:1'}}", ["`workers` must be left out", "'dask'"]),
        ("workers: 2", ["`workers` must be 1", "'in_memory'", "workers=2", "multi_processing"]),
        ("workers: -1", ["`beam.workers`", "greater than or equal to 0"]),
        ("sdk_container_image: x", ["`sdk_container_image` must be left out", "'direct'", "'x'"]),
        ("args: [--runner=DirectRunner]", ["`beam.args`", "not a known key"]),
        ("options: [--direct_runing_mode=x]", ["`options`", "'--direct_running_mode'", "'--direct_runing_mode'"]),
        ("options: [--qqqqqqqqqq]", ["pipeline options that Beam knows", "'--qqqqqqqqqq'"]),
        ("options: [--direct_num_workers=3]", ["'--direct_num_workers'", "set `beam.workers` instead"]),
        ("options: [--runner=FlinkRunner]", ["'--runner'", "set `beam.runner` instead"]),
        ("options: [--flink_version=1.18]", ["'--flink_version'", "'direct' reads", "['flink', 'portable']"]),
        ("options: [--number_of_worker_harness_threads=x]", ["values that Beam can read", "invalid int value: 'x'"]),
        ("options: [loose]", ["written `--name=value`", "['loose']"]),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, text: str, expected: list[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"beam: {text}\n" if text.startswith("{") else f"beam: {{{text}}}\n")
    with pytest.raises(ConfigError) as error:
        load_config(path)
    for part in expected:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"type": "external"}, ["`address` must be given", "'external'"]),
        ({"type": "loopback", "address": "h:1"}, ["`address` must be left out", "'h:1'"]),
        ({"type": "process"}, ["`command` must be given"]),
        ({"type": "external", "address": "h:1", "variables": {"A": "b"}}, ["`variables` must be left out", "'A'"]),
        ({"type": "docker"}, ["`sdk_container_image` must be given", "`portable.environment.type` is 'docker'"]),
        ({"type": "podman"}, ["environment.type", "'docker', 'external', 'process' or 'loopback'"]),
    ],
)
def test_an_environment_needs_what_its_type_needs(environment: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        _config("portable", portable={"job_endpoint": "beam:8099", "environment": environment})
    for part in expected:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"submit_uber_jar": True}, "`rest_url` must be given"),
        ({"rest_url": "http://spark:6066"}, "`rest_url` must be left out"),
        ({"master": "yarn"}, "String should match pattern"),
    ],
)
def test_a_jar_goes_to_sparks_rest_api(section: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        _config("spark", spark={**SPARK, **section})


@pytest.mark.parametrize(
    ("flag", "key"),
    [
        ("--worker_harness_container_image=x", "beam.sdk_container_image"),
        ("--environment_options=x", "beam.portable.environment"),
        ("--job_endpoint=x", "beam.portable.job_endpoint"),
        ("--extra_packages=x", "beam.extra_packages"),
        ("--sdk_worker_parallelism=3", "beam.workers"),
    ],
)
def test_whatever_a_flag_is_called_its_key_has_the_say(flag: str, key: str) -> None:
    with pytest.raises(ValueError, match=f"set `{key}` instead"):
        _config("portable", options=[flag])


def test_further_options_reach_beam_as_they_stand() -> None:
    flags = ["--experiments=one", "--experiments=two", "--environment_cache_millis", "90"]
    options = _options("portable", options=flags).get_all_options()
    assert options["experiments"] == ["one", "two"]
    assert options["environment_cache_millis"] == "90"


@pytest.mark.parametrize("runner", ["flink", "spark", "portable"])
def test_a_pipeline_of_more_than_a_minute_is_waited_for(runner: str) -> None:
    assert _options(runner).view_as(PortableOptions).job_server_timeout == 86_400
    section = {**SECTIONS[runner], "timeout_seconds": 90}
    assert _options(runner, **{runner: section}).view_as(PortableOptions).job_server_timeout == 90
