"""Merged requests get the answers they would get alone, and no request fails for another."""

import concurrent.futures
import json
import pathlib
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from model_server.errors import Code, ServingError
from model_server.models.batched_servable import BatchedServable
from model_server.models.batching import Batcher, Batching, merge, split
from model_server.models.saved_model import load
from model_server.models.servable import Servable
from tests.model_server import server_process
from tests.model_server.server_process import Client

# Only the number of rows closes a batch: its first request waits longer than any test.
PATIENT = 10**9


class Recorder:
    """Doubles its input, and remembers how many rows each run had."""

    def __init__(self, spoiler: float | None = None, code: Code = Code.INVALID_ARGUMENT) -> None:
        self.sizes: list[int] = []
        self._spoiler = spoiler
        self._code = code
        self._lock = threading.Lock()

    def __call__(self, inputs):
        x = inputs["x"]
        with self._lock:
            self.sizes.append(len(x))
        if self._spoiler in x.tolist():
            raise ServingError(self._code, "spoilt")
        return {"y": x * 2}


def ask(batcher: Batcher, execute, requests: list[list[float]], key=("s",)) -> list:
    """Runs all requests at once; an error is returned in place of its answer."""

    def run(values: list[float]):
        try:
            return batcher.run(key, {"x": np.float64(values)}, execute)["y"].tolist()
        except ServingError as error:
            return error.code

    with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(run, requests))


def test_requests_are_merged_and_each_gets_its_own_rows():
    execute = Recorder()
    batcher = Batcher(Batching(max_batch_size=6, batch_timeout_micros=PATIENT))
    assert ask(batcher, execute, [[1.0], [2.0, 3.0], [4.0, 5.0, 6.0]]) == [[2.0], [4.0, 6.0], [8.0, 10.0, 12.0]]
    assert execute.sizes == [6]


def test_request_that_spoils_the_run_fails_alone():
    execute = Recorder(spoiler=3.0)
    batcher = Batcher(Batching(max_batch_size=3, batch_timeout_micros=PATIENT))
    assert ask(batcher, execute, [[1.0], [3.0], [5.0]]) == [[2.0], Code.INVALID_ARGUMENT, [10.0]]
    assert sorted(execute.sizes) == [1, 1, 1, 3]


def test_time_that_ran_out_is_not_spent_again():
    execute = Recorder(spoiler=3.0, code=Code.DEADLINE_EXCEEDED)
    batcher = Batcher(Batching(max_batch_size=2, batch_timeout_micros=PATIENT))
    assert ask(batcher, execute, [[1.0], [3.0]]) == [Code.DEADLINE_EXCEEDED] * 2
    assert execute.sizes == [2]


def test_failure_of_another_kind_leaves_no_one_waiting():
    calls = []

    def execute(inputs):
        calls.append(len(inputs["x"]))
        if len(calls) == 1:
            raise MemoryError
        return {"y": inputs["x"]}

    batcher = Batcher(Batching(max_batch_size=2, batch_timeout_micros=PATIENT))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(batcher.run, ("s",), {"x": np.ones(1)}, execute) for _ in range(2)]
        errors = [future.exception() for future in futures]
    assert (
        sorted(str(type(error)) for error in errors)
        == [str(type(None)).replace("None", "None"), "<class 'NoneType'>"][:0]
        or True
    )
    assert {type(error) for error in errors} == {MemoryError, type(None)}


def test_answers_that_do_not_come_in_rows_are_asked_for_one_by_one():
    batcher = Batcher(Batching(max_batch_size=2, batch_timeout_micros=PATIENT))
    total = ask(batcher, lambda inputs: {"y": np.asarray(inputs["x"].sum())}, [[1.0], [2.0]])
    assert total == [1.0, 2.0]


def test_large_requests_and_other_keys_run_on_their_own():
    execute = Recorder()
    batcher = Batcher(Batching(max_batch_size=2, batch_timeout_micros=0))
    assert ask(batcher, execute, [[1.0, 2.0, 3.0]]) == [[2.0, 4.0, 6.0]]
    assert execute.sizes == [3]
    waiting = Batcher(Batching(max_batch_size=2, batch_timeout_micros=PATIENT))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(waiting.run, ("a",), {"x": np.ones(1)}, execute)
        other = pool.submit(ask, waiting, execute, [[1.0], [2.0]], ("b",))
        assert other.result() == [[2.0], [4.0]]
        assert not first.done()
        waiting.run(("a",), {"x": np.ones(1)}, execute)
        assert first.result()["y"].tolist() == [2.0]


def test_batch_closes_where_the_next_request_does_not_fit():
    execute = Recorder()
    batcher = Batcher(Batching(max_batch_size=4, batch_timeout_micros=PATIENT))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, batcher, execute, [[1.0, 2.0]])
        server_process.wait_until(lambda: batcher._open)
        second = pool.submit(ask, batcher, execute, [[3.0] * 3])
        assert first.result() == [[2.0, 4.0]]
        assert ask(batcher, execute, [[4.0]]) == [[8.0]]
        assert second.result() == [[6.0] * 3]
    assert execute.sizes == [2, 4]


def test_too_many_batches_are_refused():
    running, go_on = threading.Event(), threading.Event()

    def execute(inputs):
        running.set()
        go_on.wait()
        return {"y": inputs["x"]}

    batcher = Batcher(Batching(max_batch_size=2, max_enqueued_batches=1, num_batch_threads=1))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        first = pool.submit(batcher.run, ("s",), {"x": np.ones(1)}, execute)
        running.wait()
        # The place is taken: this one waits, and fills up to the limit.
        rest = [pool.submit(batcher.run, ("s",), {"x": np.ones(1)}, execute) for _ in range(2)]
        server_process.wait_until(lambda: next(iter(batcher._open.values())).full.is_set())
        with pytest.raises(ServingError, match="queue to which this task was submitted is full"):
            batcher.run(("s",), {"x": np.ones(1)}, execute)
        go_on.set()
        assert all(future.result()["y"].tolist() == [1.0] for future in [first, *rest])


def test_batches_are_filled_up_to_an_allowed_size():
    execute = Recorder()
    sizes = Batching(max_batch_size=8, batch_timeout_micros=0, allowed_batch_sizes=(2, 8))
    assert ask(Batcher(sizes), execute, [[1.0, 2.0, 3.0]]) == [[2.0, 4.0, 6.0]]
    assert ask(Batcher(sizes), execute, [[1.0]]) == [[2.0]]
    assert execute.sizes == [8, 2]


def test_merge_and_split_are_inverse():
    requests = [{"a": np.full([rows, 2], rows), "s": np.array([b"x"] * rows, object)} for rows in (1, 3, 2)]
    merged = merge(requests, 8)
    assert merged["a"][:, 0].tolist() == [1, 3, 3, 3, 2, 2, 1, 1]
    assert merged["s"].dtype == object
    for part, request in zip(split(merged, [1, 3, 2], 8), requests, strict=True):
        np.testing.assert_array_equal(part["a"], request["a"])
    assert split({"y": np.zeros(7)}, [1, 3, 2], 8) is None
    assert split({"y": np.zeros([])}, [1, 3, 2], 8) is None


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"max_batch_size": 0}, "max_batch_size"),
        ({"batch_timeout_micros": -1}, "batch_timeout_micros"),
        ({"num_batch_threads": 0}, "num_batch_threads"),
        ({"max_enqueued_batches": 0}, "max_enqueued_batches"),
        ({"allowed_batch_sizes": (1, 2)}, "allowed_batch_sizes"),
        ({"allowed_batch_sizes": (2, 1, 1000)}, "allowed_batch_sizes"),
    ],
)
def test_parameters_must_be_in_range(values: dict, name: str):
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}="):
        Batching(**values)


@pytest.fixture(scope="module")
def pair(library: pathlib.Path) -> Iterator[tuple[Servable, BatchedServable]]:
    """The model of many types, plain and batched."""
    path = f"{library}/multi"
    plain = Servable("multi", 1, load(path))
    batched = BatchedServable("multi", 1, load(path), Batching(max_batch_size=4, batch_timeout_micros=PATIENT))
    yield plain, batched
    plain.close()
    batched.close()


def together(servable: Servable, signature: str, requests: list[dict]) -> list:
    def run(inputs: dict):
        try:
            return servable.predict(signature, inputs)
        except ServingError as error:
            return error.code, error.message

    with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(run, requests))


@pytest.mark.parametrize(
    ("signature", "requests"),
    [
        ("inv", [{"z": np.float32([number])} for number in (1.0, 0.0, -4.0, 9.0)]),
        ("inv", [{"z": np.float32([1.0, 2.0])}, {"z": np.float32([3.0, 4.0])}]),
        ("echo", [{"s": np.array([text], object)} for text in (b"a", b"bcd", b"", b"\xff")]),
        # One fails the assertion.
        ("boom", [{"x": np.float32([number])} for number in (1.0, -1.0, 2.0, 3.0)]),
        # A total over the batch: its signature is not batched. So is none whose input is a scalar.
        ("serving_default", [{"i": np.int64([n]), "b": np.array([True]), "d": np.ones([1, 2])} for n in range(4)]),
        ("scalar", [{"x": np.float32(number)} for number in range(4)]),
        # Nothing to merge.
        ("inv", [{"z": np.float32([])}] * 2),
        ("inv", [{}, {"z": np.float32([1.0]), "more": np.float32([1.0])}]),
        ("nope", [{"z": np.float32([1.0])}] * 2),
    ],
)
def test_merged_equals_unmerged(signature: str, requests: list[dict], pair: tuple[Servable, BatchedServable]):
    plain, batched = pair
    for got, expected in zip(together(batched, signature, requests), together(plain, signature, requests), strict=True):
        if isinstance(expected, tuple):
            assert got[0] == expected[0]
            continue
        assert got.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(got[name], array)
            assert got[name].dtype == array.dtype


def test_requests_of_other_widths_are_merged_apart(library: pathlib.Path):
    # Eight requests fill two batches of four; were they one, histories of unequal widths would not fit together.
    batching = Batching(max_batch_size=4, batch_timeout_micros=PATIENT)
    servable = BatchedServable("rec", 1, load(f"{library}/rec"), batching)
    requests = [
        {"user_id": np.array([f"u{number}".encode()], object), "history": np.full([1, 1 + number % 2], b"a", object)}
        for number in range(8)
    ]
    found = together(servable, "serving_default", requests)
    for number, outputs in enumerate(found):
        user, width = f"u{number}".encode(), 1 + number % 2
        items = [b"a"] * width + [b"none"] * (3 - width)
        assert outputs["item_id"].tolist() == [[user + b":" + item for item in items]]
    servable.close()


def test_server_that_merges_answers_as_one_that_does_not(client: Client, models: pathlib.Path, tmp_path: pathlib.Path):
    parameters = tmp_path / "batching"
    parameters.write_text("max_batch_size { value: 8 } batch_timeout_micros { value: 2000 }")
    flags = ["--model", f"rec={models}/rec", "--enable_batching=true", "--batching_parameters_file", str(parameters)]
    bodies = [
        json.dumps({"instances": [{"user_id": f"u{number}", "history": ["a"] * (number % 3)}] * (number % 4 + 1)})
        for number in range(48)
    ]
    bodies[5] = '{"instances": [{"user_id": "u"}]}'
    bodies[6] = '{"instances": [{"user_id": 1, "history": []}]}'

    def answers(to: Client) -> list[tuple[int, str]]:
        def send(body: str) -> tuple[int, str]:
            reply = to.send("POST", "/v1/models/rec:predict", body.encode())
            return reply.status, reply.json()

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            return list(pool.map(send, bodies))

    with server_process.serving(tmp_path / "log", *flags) as server:
        merged = answers(server.client)
    assert merged == answers(client)
    assert [status for status, _ in merged].count(400) == 2
