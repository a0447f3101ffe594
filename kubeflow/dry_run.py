"""`python -m kubeflow.dry_run`: runs a compiled pipeline here, every container's own command in a process of its own.

Stands in for the driver and the launcher of Kubeflow Pipelines: it resolves inputs, hands over ExecutorInput, and takes
metadata and files from what each command leaves behind, as those do. There are no pods, images, limits or mounts here:
it shows whether the commands and the artifacts between them fit.
"""

import argparse
import dataclasses
import graphlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from kubeflow import environment
from kubeflow.artifacts import ABSENT, Storage

_REPOSITORY = Path(__file__).parents[1]
_VERDICTS = ("blessed", "pushed", "written")
_DEFAULT_ROOT = "minio://mlpipeline/v2/artifacts"


class TaskError(RuntimeError):
    """A container whose command failed, with the end of what it said."""


@dataclasses.dataclass(frozen=True)
class TaskRun:
    """What one task did.

    Args:
      name: of the task.
      seconds: its process took.
      cpu_seconds: of processor time, its own and that of the processes it started.
      outputs: its artifacts by key: JSON form of RuntimeArtifact, as the metadata store would have it.
    """

    name: str
    seconds: float
    cpu_seconds: float
    outputs: Mapping[str, Mapping]

    def summary(self) -> str:
        """Returns one line: name, seconds, processor seconds, outputs, and those of their metadata that decide."""
        told = []
        for key, artifact in sorted(self.outputs.items()):
            metadata = artifact.get("metadata", {})
            verdicts = [f"{name}={metadata[name]:g}" for name in _VERDICTS if isinstance(metadata.get(name), float)]
            if metadata.get(ABSENT):
                verdicts = ["none yet"]
            told.append(key + (f" ({', '.join(verdicts)})" if verdicts else ""))
        return _line(self.name, self.seconds, self.cpu_seconds) + (", ".join(told) or "-")


class DryRun:
    """A run of a compiled pipeline.

    Args:
      spec: the pipeline's document of the package.
      folder: of the buckets and of each container's own file system; one folder holds the runs of one pipeline.
      run_id: of this run.
    """

    def __init__(self, spec: Mapping, folder: Path, run_id: str) -> None:
        self._spec = spec
        self._folder = folder
        self._run_id = run_id
        self._root = spec.get("defaultPipelineRoot", _DEFAULT_ROOT)
        self._tasks: Mapping[str, Mapping] = spec["root"]["dag"]["tasks"]
        self._done: dict[str, TaskRun] = {}

    def run(self, only: Sequence[str] | None = None) -> Iterator[TaskRun]:
        """Runs the tasks, each after those it depends on, and yields what each did.

        Args:
          only: names of the tasks to run; None runs all.

        Raises:
          TaskError: a command failed; what depends on it is not run.
        """
        for name in ordered(self._tasks):
            if only is None or name in only:
                self._done[name] = self._run_task(name)
                yield self._done[name]

    def _run_task(self, name: str) -> TaskRun:
        component = self._spec["components"][self._tasks[name]["componentRef"]["name"]]
        executor = self._spec["deploymentSpec"]["executors"][component["executorLabel"]]
        started, cpu_started = time.monotonic(), _cpu_seconds()
        invocation = self._invocation(name, component)
        if "importer" in executor:
            outputs = _import(executor["importer"], component)
        elif "container" in executor:
            outputs = self._run_container(name, executor["container"], invocation)
        else:
            raise TaskError(f"{name}: Kubeflow Pipelines runs containers and importers. Received: {sorted(executor)}.")
        seconds, cpu_seconds = time.monotonic() - started, _cpu_seconds() - cpu_started
        return TaskRun(name, seconds, cpu_seconds, self._stored(name, outputs))

    def _invocation(self, name: str, component: Mapping) -> dict:
        """Returns the ExecutorInput that the driver makes."""
        inputs = self._tasks[name].get("inputs", {})
        artifacts = {}
        for key, spec in inputs.get("artifacts", {}).items():
            source = spec["taskOutputArtifact"]
            artifact = self._done[source["producerTask"]].outputs[source["outputArtifactKey"]]
            artifacts[key] = {"artifacts": [artifact]}
        parameters = {key: spec["runtimeValue"]["constant"] for key, spec in inputs.get("parameters", {}).items()}
        folder = f"{self._root}/{self._spec['pipelineInfo']['name']}/{self._run_id}/{name}"
        outputs = {
            key: {"artifacts": [{"name": key, "uri": f"{folder}/{key}", "type": spec["artifactType"]}]}
            for key, spec in component.get("outputDefinitions", {}).get("artifacts", {}).items()
        }
        return {
            "inputs": {"artifacts": artifacts, "parameterValues": parameters},
            "outputs": {
                "artifacts": outputs,
                "outputFile": str(self._pod(name) / "tmp" / "kfp_outputs" / "output_metadata.json"),
            },
        }

    def _run_container(self, name: str, container: Mapping, invocation: dict) -> dict:
        """Returns the output artifacts that the launcher takes from the container."""
        pod = self._pod(name)
        shutil.rmtree(pod, ignore_errors=True)
        Path(invocation["outputs"]["outputFile"]).parent.mkdir(parents=True)
        inside, buckets = Storage(pod_root=str(pod)), Storage(pod_root=str(self._folder / "buckets"))
        for listed in invocation["inputs"]["artifacts"].values():
            _copy(buckets, inside, listed["artifacts"][0]["uri"])
        arguments = [*container["command"], *container.get("args", [])]
        command = [argument.replace("{{$}}", json.dumps(invocation)) for argument in arguments]
        if command[0] == "python":
            command[0] = sys.executable
        done = subprocess.run(
            command, env=_variables(container, pod), cwd=pod, capture_output=True, text=True, check=False
        )
        log = pod / "log.txt"
        log.write_text(done.stdout + done.stderr, encoding="utf-8")
        if done.returncode:
            raise TaskError(f"{name} failed with status {done.returncode}; its log is {log}:\n{done.stderr[-4000:]}")
        outputs = _merged(invocation["outputs"])
        for artifact in outputs.values():
            _copy(inside, buckets, artifact["uri"])
        return outputs

    def _stored(self, name: str, outputs: Mapping[str, Mapping]) -> dict[str, dict]:
        """Returns the artifacts as the metadata store gives them back: with an id for a name, and without a type."""
        return {
            key: {"name": f"{name}-{key}", "uri": artifact["uri"], "metadata": _as_stored(artifact.get("metadata", {}))}
            for key, artifact in outputs.items()
        }

    def _pod(self, name: str) -> Path:
        return self._folder / "pods" / name


def ordered(tasks: Mapping[str, Mapping]) -> list[str]:
    """Returns the names of the tasks, each after those it depends on; raises ValueError where they go in a circle."""
    upstream = {
        name: set(task.get("dependentTasks", []))
        | {spec["taskOutputArtifact"]["producerTask"] for spec in task.get("inputs", {}).get("artifacts", {}).values()}
        for name, task in tasks.items()
    }
    # Sorted: the same package runs in the same order every time.
    sorter = graphlib.TopologicalSorter({name: sorted(upstream[name]) for name in sorted(upstream)})
    try:
        return list(sorter.static_order())
    except graphlib.CycleError as error:
        raise ValueError(
            f"The tasks must not depend on each other in a circle. Received: {' <- '.join(error.args[1])}."
        ) from error


def read_package(path: str | os.PathLike) -> dict:
    """Returns the pipeline's document of a package; raises ValueError where there is none."""
    with open(path, encoding="utf-8") as file:
        documents = list(yaml.safe_load_all(file))
    for document in documents:
        spec = document.get("pipelineSpec", document) if isinstance(document, dict) else {}
        if "pipelineInfo" in spec:
            return spec
    raise ValueError(f"{path} must be a package of `python -m kubeflow.compile`. Received: no pipeline in it.")


def _cpu_seconds() -> float:
    """Returns the processor time of all processes started so far that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _line(name: str, seconds: float, cpu_seconds: float) -> str:
    return f"{name:28} {seconds:6.1f} s {cpu_seconds:6.1f} s CPU  "


def _variables(container: Mapping, pod: Path) -> dict[str, str]:
    """Returns the environment of a container's command."""
    # In the image the packages are installed; here they may only lie in the current folder.
    search_path = os.pathsep.join(filter(None, [str(_REPOSITORY), os.environ.get("PYTHONPATH")]))
    own = {variable["name"]: variable["value"] for variable in container.get("env", [])}
    return {**os.environ, **own, environment.POD_ROOT: str(pod), "PYTHONPATH": search_path}


def _merged(outputs: Mapping) -> dict[str, dict]:
    """Returns the artifacts that were handed over, with what the output file tells of them."""
    path = Path(outputs["outputFile"])
    told = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    merged = {}
    for key, listed in outputs["artifacts"].items():
        (artifact,) = listed["artifacts"]
        merged[key] = dict(artifact)
        for changes in told.get("artifacts", {}).get(key, {}).get("artifacts", []):
            merged[key]["uri"] = changes.get("uri") or artifact["uri"]
            merged[key]["metadata"] = {**artifact.get("metadata", {}), **changes.get("metadata", {})}
    return merged


def _import(importer: Mapping, component: Mapping) -> dict:
    (key,) = component["outputDefinitions"]["artifacts"]
    uri = importer["artifactUri"]
    return {key: {"uri": uri["constant"], "metadata": importer.get("metadata", {})}}


def _as_stored(metadata: Mapping) -> dict:
    for key, value in metadata.items():
        if value is None:
            raise TaskError(f"Metadata must have values: the launcher fails on null. Received: {key}=None.")
    return {key: _value_as_stored(value) for key, value in metadata.items()}


def _value_as_stored(value: object) -> object:
    """Returns a value as the metadata store gives it back: numbers as doubles, the others packed into structs."""
    if isinstance(value, bool | int):
        return float(value)
    if isinstance(value, Mapping):
        return {"struct": value}
    return {"list": value} if isinstance(value, list) else value


def _copy(source: Storage, target: Storage, uri: str) -> None:
    files = source.path(uri)
    if files != uri and os.path.isdir(files):
        shutil.copytree(files, target.path(uri), dirs_exist_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 where every container's command succeeded."""
    parser = argparse.ArgumentParser(prog="python -m kubeflow.dry_run", description=__doc__)
    parser.add_argument("package", help="file written by `python -m kubeflow.compile`")
    parser.add_argument("--folder", default="var/dry_run", help="where buckets and containers' files are kept")
    arguments = parser.parse_args(argv)
    run = DryRun(read_package(arguments.package), Path(arguments.folder).resolve(), time.strftime("run-%Y%m%dt%H%M%S"))
    seconds, cpu_seconds = 0.0, 0.0
    try:
        for done in run.run():
            seconds, cpu_seconds = seconds + done.seconds, cpu_seconds + done.cpu_seconds
            print(done.summary(), flush=True)
    except TaskError as error:
        print(error, file=sys.stderr)
        return 1
    print(_line("in all", seconds, cpu_seconds).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
