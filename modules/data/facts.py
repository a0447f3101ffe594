"""Numbers and samples that leave a Beam pipeline: counted as data, so any runner delivers them.

A fact is a pair (name, value). Facts of one name are joined: those named "first/..." by their
minimum, "last/..." by their maximum, "sample/..." (lists) by keeping the smallest few, and all
others by adding them up, lists as well as numbers.
"""

import collections
import heapq
import json
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.transforms.window import GlobalWindows

FACTS = "facts"
SAMPLES = 3


class CountingDoFn(beam.DoFn):
    """A DoFn that emits `self.counts` as facts at the end of a bundle, under the tag FACTS."""

    def start_bundle(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()

    def finish_bundle(self) -> Iterator[beam.pvalue.TaggedOutput]:
        for count in self.counts.items():
            yield beam.pvalue.TaggedOutput(FACTS, GlobalWindows.windowed_value(count))


class JoinFacts(beam.CombineFn):
    """Facts to one dict of them, see above; numbers may be joined under any key."""

    def create_accumulator(self) -> dict[Any, Any]:
        return {}

    def add_input(self, joined: dict[Any, Any], fact: tuple[Any, Any]) -> dict[Any, Any]:
        name, value = fact
        joined[name] = _join(name, joined[name], value) if name in joined else value
        return joined

    def merge_accumulators(self, accumulators: Iterable[dict[Any, Any]]) -> dict[Any, Any]:
        merged = self.create_accumulator()
        for joined in accumulators:
            for fact in joined.items():
                self.add_input(merged, fact)
        return merged

    def extract_output(self, joined: dict[Any, Any]) -> dict[Any, Any]:
        return joined


def joined(several: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Returns the facts of several steps as one."""
    return JoinFacts().merge_accumulators(several)


def _join(name: Any, left: Any, right: Any) -> Any:
    kind = name.partition("/")[0] if isinstance(name, str) else ""
    if kind == "first":
        return min(left, right)
    if kind == "last":
        return max(left, right)
    if kind == "sample":
        return heapq.nsmallest(SAMPLES, [*left, *right])
    return left + right


def write_facts(facts: Iterable[beam.PCollection], path: str, about: str = "") -> None:
    """Joins the facts of several steps, and writes them to a file that `read_facts` reads.

    Args:
      facts: PCollections of (name, value), values that JSON can hold.
      path: of the file; writing it twice does no harm.
      about: tells the steps from those of other files in one pipeline.
    """
    _ = (
        tuple(facts)
        | f"AllFacts{about}" >> beam.Flatten()
        | f"JoinFacts{about}" >> beam.CombineGlobally(JoinFacts())
        | f"WriteFacts{about}" >> beam.Map(_write, path)
    )


def _write(facts: dict[str, Any], path: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        json.dump(facts, file)


def read_facts(path: str) -> dict[str, Any]:
    """Returns the facts that a finished pipeline has written."""
    with tf.io.gfile.GFile(path) as file:
        return json.load(file)
