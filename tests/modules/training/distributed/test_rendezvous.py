"""Workers meet, or hear who is missing."""

import socket
import threading

import pytest

from modules.training.distributed.rendezvous import free_ports, meet
from modules.training.distributed.tf_config import local_cluster


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        with socket.socket() as server:
            server.bind(("localhost", port))


def test_workers_meet_and_leave_their_ports_free() -> None:
    tasks = local_cluster(free_ports(2))
    threads = [threading.Thread(target=meet, args=(task, 60)) for task in tasks]
    threads[0].start()
    threads[1].start()
    # As TensorFlow's server does once its worker went on: the other one, still looking, must find it.
    threads[0].join()
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("localhost", int(tasks[0].addresses[0].rpartition(":")[2])))
        server.listen()
        threads[1].join()


def test_who_does_not_come_is_named() -> None:
    tasks = local_cluster(free_ports(3))
    with socket.socket() as one:
        one.bind(("localhost", int(tasks[1].addresses[1].rpartition(":")[2])))
        one.listen()
        with pytest.raises(
            TimeoutError, match=r"All 3 workers must come within 0\.1 seconds\. Missing: worker 2 \("
        ) as late:
            meet(tasks[0], 0.1)
    assert "worker 1" not in str(late.value)
    assert "start_timeout_seconds" in str(late.value)


def test_a_taken_port_is_named() -> None:
    task = local_cluster(free_ports(1))[0]
    with socket.socket() as other:
        other.bind(("", int(task.addresses[0].rpartition(":")[2])))
        other.listen()
        with pytest.raises(ValueError, match=r"The port of worker 0 \(localhost:\d+\) in `TF_CONFIG` must be free"):
            meet(task, 1)


def test_one_worker_meets_itself() -> None:
    meet(local_cluster(free_ports(1))[0], 0.0)
