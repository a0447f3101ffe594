"""Merges requests that arrive together into one run of the model, and gives each its own rows back.

There are no threads of its own: the first request of a batch waits for others, runs the batch and hands out the
answers. While all the places to run are taken the batch stays open, so the busier the model, the larger the batches.
"""

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from model_server.errors import Code, ServingError

Tensors = Mapping[str, np.ndarray]
Key = tuple[object, ...]
# Raised where a run answers for all of its requests alike, and running them one by one would only take longer.
_FINAL = {Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE}


@dataclasses.dataclass(frozen=True)
class Batching:
    """TF Serving's batching parameters, with its defaults.

    Args:
      max_batch_size: the most rows in one run of merged requests.
      batch_timeout_micros: how long a request waits for others, in microseconds.
      max_enqueued_batches: the most batches of one signature that wait; further requests are refused.
      num_batch_threads: how many batches of one version run at once.
      allowed_batch_sizes: sizes that batches are filled up to, rising to `max_batch_size`; empty for any.

    Raises:
      ValueError: where a value is out of range.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (
            ("max_batch_size", 1),
            ("batch_timeout_micros", 0),
            ("max_enqueued_batches", 1),
            ("num_batch_threads", 1),
        ):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}.")
        sizes = self.allowed_batch_sizes
        if sizes and (sizes[0] < 1 or list(sizes) != sorted(set(sizes)) or sizes[-1] != self.max_batch_size):
            raise ValueError(
                "`allowed_batch_sizes` must be positive, rise, and end in max_batch_size. Received: "
                f"allowed_batch_sizes={list(sizes)}, max_batch_size={self.max_batch_size}."
            )

    def padded(self, rows: int) -> int:
        """Returns the size a batch of so many rows runs in."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


class _Batch:
    """Requests that run together, and what became of them."""

    def __init__(self) -> None:
        self.requests: list[Tensors] = []
        self.rows = 0
        self.full = threading.Event()
        self.done = threading.Event()
        self.answers: Sequence[Tensors] | None = None
        self.error: ServingError | None = None


class Batcher:
    """Merges the requests of many threads.

    Args:
      batching: how.
    """

    def __init__(self, batching: Batching) -> None:
        self._batching = batching
        self._places = threading.Semaphore(batching.num_batch_threads)
        self._lock = threading.Lock()
        self._open: dict[Key, _Batch] = {}
        self._waiting: dict[Key, int] = {}

    def run(self, key: Key, inputs: Tensors, execute: Callable[[Tensors], Tensors]) -> Tensors:
        """Returns the answer to one request; blocks while its batch fills and runs.

        Args:
          key: requests with equal keys may be merged: they differ in the values and the number of rows only.
          inputs: arrays by name, each `[rows, ...]`.
          execute: runs the model on such inputs.

        Raises:
          ServingError: what `execute` raises for this request alone, or for the whole batch where time or memory ran
            out; UNAVAILABLE where too many batches wait.
        """
        rows = len(next(iter(inputs.values())))
        if rows >= self._batching.max_batch_size:
            return execute(inputs)
        batch, index = self._join(key, inputs, rows)
        if index == 0:
            self._lead(key, batch, execute)
        else:
            batch.done.wait()
        if batch.error is not None:
            raise batch.error
        if batch.answers is None:
            # Some request spoils the run, or the answers do not come in rows: each on its own then.
            return execute(inputs)
        return batch.answers[index]

    def _join(self, key: Key, inputs: Tensors, rows: int) -> tuple[_Batch, int]:
        with self._lock:
            batch = self._open.get(key)
            if batch is not None and batch.rows + rows > self._batching.max_batch_size:
                batch.full.set()
                batch = None
            if batch is None:
                waiting = self._waiting.get(key, 0)
                if waiting >= self._batching.max_enqueued_batches:
                    raise ServingError(
                        Code.UNAVAILABLE, "The batch scheduling queue to which this task was submitted is full"
                    )
                self._waiting[key] = waiting + 1
                batch = self._open[key] = _Batch()
            batch.requests.append(inputs)
            batch.rows += rows
            if batch.rows >= self._batching.max_batch_size:
                batch.full.set()
            return batch, len(batch.requests) - 1

    def _lead(self, key: Key, batch: _Batch, execute: Callable[[Tensors], Tensors]) -> None:
        """Waits for the batch to fill and for a place, runs it, and lets the others have their answers."""
        deadline = time.monotonic() + self._batching.batch_timeout_micros / 1e6
        batch.full.wait(max(0.0, deadline - time.monotonic()))
        with self._places:
            with self._lock:
                if self._open.get(key) is batch:
                    del self._open[key]
                self._waiting[key] -= 1
                if not self._waiting[key]:
                    del self._waiting[key]
            try:
                batch.answers = self._execute(batch, execute)
            except ServingError as error:
                if len(batch.requests) == 1 or error.code in _FINAL:
                    batch.error = error
            finally:
                batch.done.set()

    def _execute(self, batch: _Batch, execute: Callable[[Tensors], Tensors]) -> Sequence[Tensors] | None:
        """Returns the answer to each request, or None where the answers of several do not come in rows."""
        if len(batch.requests) == 1 and self._batching.padded(batch.rows) == batch.rows:
            return [execute(batch.requests[0])]
        size = self._batching.padded(batch.rows)
        outputs = execute(merge(batch.requests, size))
        return split(outputs, [len(next(iter(request.values()))) for request in batch.requests], size)


def merge(requests: Sequence[Tensors], size: int) -> dict[str, np.ndarray]:
    """Returns the rows of all requests below one another, the very first repeated to fill up to `size` rows."""
    merged = {}
    for name in requests[0]:
        parts = [request[name] for request in requests]
        missing = size - sum(map(len, parts))
        merged[name] = np.concatenate([*parts, *[parts[0][:1]] * missing])
    return merged


def split(outputs: Tensors, rows: Sequence[int], size: int) -> list[dict[str, np.ndarray]] | None:
    """Returns the rows of each request, or None where an output does not have `size` rows.

    Args:
      outputs: arrays by name, of the merged run.
      rows: how many rows each request has.
      size: how many rows the run had.
    """
    if any(not array.ndim or len(array) != size for array in outputs.values()):
        return None
    ends = np.cumsum(rows)
    return [
        {name: array[end - count : end] for name, array in outputs.items()}
        for end, count in zip(ends, rows, strict=True)
    ]
