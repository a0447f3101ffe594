"""`TF_CONFIG`: what is read from it, and what is said of a wrong one."""

import json

import pytest

from modules.training.distributed.tf_config import local_cluster, read_tf_config

WORKERS = {"worker": ["a:1", "b:2"]}


def test_a_worker_knows_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": WORKERS, "task": {"type": "worker", "index": 1}}))
    task = read_tf_config()
    assert task.addresses == ["a:1", "b:2"]
    assert task.worker == 1
    assert task.name(0) == "worker 0 (a:1)"


def test_the_chief_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    # As Kubeflow's TFJob writes it: an index in quotes, and more than is needed.
    values = {
        "cluster": {"worker": ["w:2"], "chief": ["c:1"]},
        "task": {"type": "worker", "index": "0"},
        "environment": "cloud",
    }
    monkeypatch.setenv("TF_CONFIG", json.dumps(values))
    task = read_tf_config()
    assert task.addresses == ["c:1", "w:2"]
    assert task.worker == 1
    assert [task.name(worker) for worker in range(2)] == ["chief 0 (c:1)", "worker 0 (w:2)"]


def test_a_local_cluster_is_written_as_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = local_cluster([7001, 7002])
    for worker, task in enumerate(tasks):
        monkeypatch.setenv("TF_CONFIG", task.to_json())
        assert read_tf_config() == task
        assert task.worker == worker
        assert task.addresses == ["localhost:7001", "localhost:7002"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "`TF_CONFIG` must be set where several workers train.*Received: none.*local_workers"),
        ("{cluster", "`TF_CONFIG` must be JSON, such as .*Received: '{cluster'"),
        ("[]", r"`TF_CONFIG` must have `cluster` and `task`.*Received: '\[\]'"),
        (json.dumps({"cluster": WORKERS}), "`TF_CONFIG` must have `cluster` and `task`"),
        (
            json.dumps({"cluster": WORKERS, "task": {"type": "evaluator", "index": 0}}),
            "`TF_CONFIG`: `task.type`: Input should be 'chief', 'worker' or 'ps'. Received: 'evaluator'",
        ),
        (
            json.dumps({"cluster": {"master": ["a:1"]}, "task": {"type": "worker", "index": 0}}),
            "`TF_CONFIG`: `cluster.master.*`: Input should be 'chief', 'worker' or 'ps'. Received: 'master'",
        ),
        (json.dumps({"cluster": WORKERS, "task": {"type": "worker"}}), "`TF_CONFIG`: `task.index`: Field required"),
        (
            json.dumps({"cluster": WORKERS, "task": {"type": "worker", "index": 2}}),
            "`task` must be one of the cluster's. Received: worker 2",
        ),
        (
            json.dumps({"cluster": WORKERS, "task": {"type": "chief", "index": 0}}),
            "`task` must be one of the cluster's. Received: chief 0",
        ),
        (
            json.dumps({"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}),
            "`cluster` must hold addresses of the form 'host:port'. Received: 'a'",
        ),
        (
            json.dumps({"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}),
            "`cluster` must hold every address once",
        ),
    ],
)
def test_a_wrong_one_is_answered_with_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, text: str | None, message: str
) -> None:
    if text is None:
        monkeypatch.delenv("TF_CONFIG", raising=False)
    else:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=message):
        read_tf_config()


def test_parameter_servers_come_last_and_the_first_port_is_the_chiefs() -> None:
    tasks = local_cluster([1, 2, 3], [4, 5])
    assert tasks[0].cluster["chief"] == ["localhost:1"]
    assert [task.name(task.worker) for task in tasks] == [
        "chief 0 (localhost:1)",
        "worker 0 (localhost:2)",
        "worker 1 (localhost:3)",
        "ps 0 (localhost:4)",
        "ps 1 (localhost:5)",
    ]
    assert [task.serves for task in tasks] == [False, True, True, True, True]
    assert not any(task.serves for task in local_cluster([1, 2]))


def test_a_cluster_is_held_against_its_strategy() -> None:
    with_servers, without = local_cluster([1, 2], [3])[0], local_cluster([1, 2])[0]
    with_servers.check("parameter_server")
    without.check("multi_worker")
    with pytest.raises(ValueError, match="`cluster` must hold no `ps` unless .*Received: .*'multi_worker'"):
        with_servers.check("multi_worker")
    for lacking in (without, local_cluster([1], [3])[0]):
        with pytest.raises(ValueError, match="one `chief`, and at least one `worker` and one `ps`"):
            lacking.check("parameter_server")
