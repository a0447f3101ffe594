"""`TF_CONFIG`: which tasks a cluster has, and which of them this process is."""

import json
import os
from typing import Literal

import pydantic

from modules.config import describe_errors

_EXAMPLE = '{"cluster": {"worker": ["host-0:2222", "host-1:2222"]}, "task": {"type": "worker", "index": 0}}'
TaskType = Literal["chief", "worker"]


class _Task(pydantic.BaseModel):
    type: TaskType
    index: int = pydantic.Field(ge=0)


class TaskConfig(pydantic.BaseModel):
    """The content of `TF_CONFIG` for a cluster of workers that step together.

    Attributes:
      cluster: task type -> "host:port" of each of its tasks.
      task: the type and the index of this process's task.
    """

    model_config = pydantic.ConfigDict(frozen=True)

    cluster: dict[TaskType, list[str]]
    task: _Task

    @pydantic.model_validator(mode="after")
    def _addresses_are_there(self) -> "TaskConfig":
        for address in self.addresses:
            host, _, port = address.rpartition(":")
            if not host or not port.isdigit():
                raise ValueError(f"`cluster` must hold addresses of the form 'host:port'. Received: {address!r}.")
        if len(set(self.addresses)) < len(self.addresses):
            raise ValueError(f"`cluster` must hold every address once. Received: {self.cluster}.")
        if self.task.index >= len(self.cluster.get(self.task.type, [])):
            raise ValueError(
                f"`task` must be one of the cluster's. Received: {self.task.type} {self.task.index} and the cluster "
                f"{self.cluster}."
            )
        return self

    @property
    def addresses(self) -> list[str]:
        """The workers in order, the chief first where there is one."""
        return [*self.cluster.get("chief", []), *self.cluster.get("worker", [])]

    @property
    def worker(self) -> int:
        """Which of `addresses` is this process's."""
        return self.place(self.task.type, self.task.index)

    def place(self, kind: TaskType, index: int) -> int:
        """Returns which of `addresses` a task's is."""
        return index + (len(self.cluster.get("chief", [])) if kind == "worker" else 0)

    def name(self, worker: int) -> str:
        """Returns how messages call one of the workers: its task and its address."""
        chiefs = len(self.cluster.get("chief", []))
        task = f"chief {worker}" if worker < chiefs else f"worker {worker - chiefs}"
        return f"{task} ({self.addresses[worker]})"

    def to_json(self) -> str:
        """Returns the value of the environment variable."""
        return self.model_dump_json()


def read_tf_config() -> TaskConfig:
    """Returns the process's own `TF_CONFIG`.

    Raises:
      ValueError: where it is missing or wrong, with what was expected.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise ValueError(
            "The environment variable `TF_CONFIG` must be set where several workers train: for instance to "
            f"{_EXAMPLE}. Received: none. For workers on this machine alone set "
            "`training.distribution.local_workers` instead."
        )
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"`TF_CONFIG` must be JSON, such as {_EXAMPLE}. Received: {text!r} ({error}).") from error
    if not isinstance(values, dict) or not {"cluster", "task"} <= values.keys():
        raise ValueError(f"`TF_CONFIG` must have `cluster` and `task`, as in {_EXAMPLE}. Received: {text!r}.")
    try:
        return TaskConfig.model_validate(values)
    except pydantic.ValidationError as error:
        raise ValueError(f"`TF_CONFIG`: {describe_errors(error)}") from error


def local_cluster(ports: list[int]) -> list[TaskConfig]:
    """Returns the tasks of a cluster on this machine, one worker a port."""
    workers = [f"localhost:{port}" for port in ports]
    return [
        TaskConfig(cluster={"worker": workers}, task=_Task(type="worker", index=index)) for index in range(len(ports))
    ]
