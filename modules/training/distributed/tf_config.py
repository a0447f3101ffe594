"""`TF_CONFIG`: which tasks a cluster has, and which of them this process is."""

import json
import os
from collections.abc import Sequence
from typing import Literal, get_args

import pydantic

from modules.section import describe_errors

_EXAMPLE = '{"cluster": {"worker": ["host-0:2222", "host-1:2222"]}, "task": {"type": "worker", "index": 0}}'
TaskType = Literal["chief", "worker", "ps"]


class _Task(pydantic.BaseModel):
    type: TaskType
    index: int = pydantic.Field(ge=0)


class TaskConfig(pydantic.BaseModel):
    """The content of `TF_CONFIG` for a cluster of processes that train together.

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
        """All tasks' in order: the chief, where there is one, the workers, the parameter servers."""
        return [self.cluster[kind][index] for kind, index in self._tasks]

    @property
    def _tasks(self) -> list[tuple[TaskType, int]]:
        return [(kind, index) for kind in get_args(TaskType) for index in range(len(self.cluster.get(kind, [])))]

    @property
    def worker(self) -> int:
        """Which of `addresses` is this process's."""
        return self.place(self.task.type, self.task.index)

    @property
    def serves(self) -> bool:
        """Whether this process does what a chief asks for, and knows no end of its own."""
        return "ps" in self.cluster and self.task.type != "chief"

    def place(self, kind: TaskType, index: int) -> int:
        """Returns which of `addresses` a task's is."""
        return self._tasks.index((kind, index))

    def name(self, place: int) -> str:
        """Returns how messages call one of the tasks: its type and index, and its address."""
        kind, index = self._tasks[place]
        return f"{kind} {index} ({self.addresses[place]})"

    def check(self, strategy: str) -> None:
        """Raises ValueError where the cluster lacks tasks that the strategy needs, or has others."""
        counts = {kind: len(self.cluster.get(kind, [])) for kind in get_args(TaskType)}
        if strategy == "multi_worker" and counts["ps"]:
            raise ValueError(
                "`cluster` must hold no `ps` unless `training.distribution.strategy` is 'parameter_server'. "
                f"Received: {self.cluster} with strategy {strategy!r}."
            )
        if strategy == "parameter_server" and (counts["chief"] != 1 or not counts["worker"] or not counts["ps"]):
            raise ValueError(
                "`cluster` must hold one `chief`, and at least one `worker` and one `ps`, for the strategy "
                f"'parameter_server'. Received: {self.cluster}."
            )

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


def local_cluster(workers: list[int], servers: Sequence[int] = ()) -> list[TaskConfig]:
    """Returns the tasks of a cluster on this machine.

    Args:
      workers: a port for each worker; where there are servers the first one is the chief's.
      servers: a port for each parameter server.
    """
    chiefs = 1 if servers else 0
    ports = {"chief": workers[:chiefs], "worker": workers[chiefs:], "ps": servers}
    cluster = {kind: [f"localhost:{port}" for port in chosen] for kind, chosen in ports.items() if chosen}
    return [
        TaskConfig(cluster=cluster, task=_Task(type=kind, index=index))
        for kind, addresses in cluster.items()
        for index in range(len(addresses))
    ]
