"""What the benchmark commands share: their options, the machine they ran on, and how results are written."""

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf


def parser(description: str | None) -> argparse.ArgumentParser:
    """Returns the options every benchmark has."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs; the times mean nothing")
    result.add_argument("--output", type=Path, help="also write the results as JSON to this file")
    return result


def prepare_tensorflow() -> None:
    """Keeps TensorFlow to one thread, so that processor time and wall time are of the same work, and to errors.

    Compiling one function a variant is the purpose here, which TensorFlow warns of as retracing.

    Raises:
      RuntimeError: where TensorFlow has run something already.
    """
    tf.get_logger().setLevel("ERROR")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def machine() -> dict[str, Any]:
    """Returns what the times depend on."""
    return {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "accelerators": len(tf.config.list_physical_devices()) - len(tf.config.list_physical_devices("CPU")),
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "tensorflow": tf.__version__,
    }


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table, its first column flush left and the numbers flush right."""
    rule = [":--", *["--:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def write_json(path: Path | None, results: Mapping[str, Any]) -> None:
    """Writes the results and the machine to `path`; does nothing where it is None."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), **results}, indent=1) + "\n")
