"""Prints what is installed, the version pairs that matter, and what to do where one is wrong."""

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)

_LOCK = Path(__file__).parents[1] / "requirements.lock"
# What breaks at run time, and not at installation, when it does not fit the others.
_PAIRED = (
    "tensorflow",
    "tf-keras",
    "tensorflow-recommenders",
    "scann",
    "tfx",
    "tfx-bsl",
    "tensorflow-transform",
    "tensorflow-model-analysis",
    "tensorflow-data-validation",
    "ml-metadata",
    "apache-beam",
    "protobuf",
    "numpy",
    "kfp",
)


class Finding(NamedTuple):
    """One checked thing: what it is, how it stands, and, where it is wrong, what to do."""

    subject: str
    state: str
    advice: str = ""


def locked_versions(lock: Path = _LOCK) -> dict[str, str]:
    """Returns package -> version of a lock file, as this Python has it."""
    lines = (Requirement(line) for line in lock.read_text().splitlines() if "==" in line)
    pinned = (line for line in lines if line.marker is None or line.marker.evaluate())
    return {line.name: str(line.specifier).removeprefix("==") for line in pinned}


def check_python() -> Finding:
    """Checks the interpreter's version."""
    version = platform.python_version()
    if sys.version_info[:2] in ((3, 10), (3, 11)):
        return Finding("python", version)
    return Finding("python", version, "TFX 1.16 runs on Python 3.11 and 3.10: remove .venv and run `make install`.")


def check_platform(system: str, machine: str) -> Finding:
    """Checks for Linux on x86-64, the one platform that all wheels of the lock are built for.

    Args:
      system: as `platform.system()` names it.
      machine: as `platform.machine()` names it.
    """
    here = f"{system} {machine}"
    if here == "Linux x86_64":
        return Finding("platform", here)
    advice = "TFX's own libraries and ScaNN have no wheels for it: use a Linux x86-64 container (kubeflow/Dockerfile)."
    if here == "Darwin x86_64":
        advice = (
            "ScaNN has no wheel for it, and nothing was tried there: set `serving.scann: false`, or use a container."
        )
    return Finding("platform", here, advice)


def check_package(name: str, expected: str | None) -> Finding:
    """Compares an installed package with the lock."""
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", "Run `make install`.")
    if expected is not None and installed != expected:
        advice = f"requirements.lock has {expected}, and the pinned set only works together: run `make install`."
        return Finding(name, installed, advice)
    return Finding(name, installed)


def check_keras() -> Finding:
    """Checks that `tf.keras` is Keras 2."""
    from modules.environment import require_keras_2

    try:
        require_keras_2()
    except RuntimeError as error:
        return Finding("tf.keras", "Keras 3", str(error))
    return Finding("tf.keras", "Keras 2 (tf_keras)")


def check_scann() -> Finding:
    """Builds and asks a small ScaNN index, which fails where ScaNN was built for another TensorFlow."""
    import numpy as np

    try:
        from scann.scann_ops.py import scann_ops

        points = np.eye(16, dtype=np.float32)
        index = scann_ops.builder(points, 1, "dot_product").score_brute_force().build()
        neighbours, _ = index.search_batched(points)
    # An op library that does not fit TensorFlow fails in more ways than one.
    except Exception as error:
        advice = "ScaNN 1.3.2 goes with TensorFlow 2.16 alone: run `make install`, or set `serving.scann: false`."
        return Finding("scann operations", f"unusable: {error}".splitlines()[0], advice)
    found = bool((neighbours.numpy()[:, 0] == np.arange(16)).all())
    return Finding("scann operations", "answer" if found else "answer wrongly", "" if found else "Run `make install`.")


def check_pip() -> Finding:
    """Checks for `pip` in the environment, which TFX calls by name."""
    pip = Path(sys.executable).with_name("pip")
    if pip.exists():
        return Finding("pip", str(os.fspath(pip)))
    return Finding("pip", "missing", "TFX calls it at run time: run `make install`.")


def main() -> int:
    """Prints the findings; returns 1 where something is wrong."""
    locked = locked_versions()
    findings = [check_platform(platform.system(), platform.machine()), check_python()]
    findings += [check_package(name, locked.get(name)) for name in _PAIRED]
    findings += [check_keras(), check_scann(), check_pip()]
    for finding in findings:
        print(f"{'!!' if finding.advice else 'ok'}  {finding.subject:28} {finding.state}")
        if finding.advice:
            print(f"      {finding.advice}")
    wrong = sum(bool(finding.advice) for finding in findings)
    print("All is well: `make run`." if not wrong else f"{wrong} of {len(findings)} need attention.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
