"""The image is made by the steps CI runs, of the files those steps and the pipeline need."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.kubeflow.cluster_config import IMAGE, write_cluster_config
from tests.paths import ROOT

DOCKERFILE = ROOT / "kubeflow" / "Dockerfile"
PACKAGES = ("kubeflow", "model_server", "modules", "tfx_pipeline", "schemas")


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def _of(name: str) -> list[str]:
    return [value for instruction, value in _instructions() if instruction == name]


def _commands(run: str) -> list[str]:
    words = [word for word in run.split() if not word.startswith("--mount")]
    return [" ".join(command.split()) for command in " ".join(words).split("&&")]


def _copied() -> list[str]:
    """Paths, relative to the repository, that the build takes from it."""
    sources = []
    for value in _of("COPY"):
        *paths, _ = shlex.split(value)
        sources += [] if paths[0].startswith("--from") else paths
    return sources


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's /app, but for what install.sh adds."""
    folder = tmp_path_factory.mktemp("image")
    for name in _copied():
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    return folder


def test_packages_are_installed_by_the_script_that_ci_runs() -> None:
    commands = [command for run in _of("RUN") for command in _commands(run)]
    assert commands.count("./install.sh") == 1
    assert not any(re.search(r"\b(pip|uv)\b", command) for command in commands)
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^\.venv/\.installed:.*\n\t\./install\.sh$", makefile, re.MULTILINE)
    assert re.search(r"^test: \.venv/\.installed", makefile, re.MULTILINE)
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


def test_the_script_finds_every_file_it_reads() -> None:
    script = (ROOT / "install.sh").read_text()
    read = {"requirements.lock", "environment.pth"}
    assert all(name in script for name in read)
    assert read | {"install.sh", "setup.py", "pyproject.toml"} <= set(_copied())


def test_every_tracked_file_of_the_packages_is_in_it(image: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    missing = [name for name in listed.stdout.splitlines() if (ROOT / name).exists() and not (image / name).exists()]
    assert missing == []


def test_nothing_else_is_in_it_and_the_context_holds_no_more() -> None:
    files = {"install.sh", "requirements.lock", "environment.pth", "setup.py", "pyproject.toml"}
    assert set(_copied()) == files | set(PACKAGES)
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == files | set(PACKAGES)


def test_both_stages_have_the_python_of_the_lock() -> None:
    assert {value.split()[0] for value in _of("FROM")} == {"python:3.11-slim-bookworm"}


def test_containers_do_not_run_as_root() -> None:
    (user,) = _of("USER")
    assert user.isdigit()
    assert int(user) > 0
    final = _of("RUN")[-1]
    assert f"useradd --uid {user}" in final
    # The launcher, running as that user, makes these at the root of the file system.
    assert re.search(r"--owner=pipeline /gcs /minio /s3", final)


def test_the_environment_of_tensorflow_is_set_in_one_place() -> None:
    assert "TF_" not in " ".join(_of("ENV"))
    assert "TF_USE_LEGACY_KERAS" in (ROOT / "modules" / "environment.py").read_text()
    assert (ROOT / "environment.pth").read_text().strip() == "import modules"


def test_the_pipeline_compiles_from_what_is_in_it(image: Path, tmp_path: Path) -> None:
    write_cluster_config(tmp_path / "volume", tmp_path / "config.yaml")
    where = "import kubeflow, modules, tfx_pipeline; print(kubeflow.__file__, modules.__file__, tfx_pipeline.__file__)"
    environment = {
        **os.environ,
        "PYTHONPATH": str(image),
        "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"],
        "PIPELINE_CONFIG": str(tmp_path / "config.yaml"),
        "PIPELINE_DATA": "",
        "PIPELINE_OUTPUT": str(tmp_path / "pipeline.yaml"),
        "LOCAL_HOME": str(tmp_path),
        "HOME": str(tmp_path),
    }
    imported = subprocess.run(
        [sys.executable, "-c", where], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )
    assert all(path.startswith(str(image)) for path in imported.stdout.split())
    done = subprocess.run(
        ["tfx", "pipeline", "compile", "--engine=vertex", f"--pipeline_path={image / 'kubeflow' / 'runner.py'}"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Pipeline small compiled successfully." in done.stdout
    spec, platform = yaml.safe_load_all((tmp_path / "pipeline.yaml").read_text())
    assert spec["deploymentSpec"]["executors"]["exec-trainer"]["container"]["image"] == IMAGE
    assert "kubernetes" in platform["platforms"]
