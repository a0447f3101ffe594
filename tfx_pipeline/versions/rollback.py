"""`python -m tfx_pipeline.rollback`: serves an earlier version again, and withdraws what was pushed after it.

A model server takes the version of the highest number by itself, so the earlier version is published once more, under a
new number: every server follows without a change of its configuration and without a failed request, after a restart
too, and a number never comes back. Both exports go back together, to what was served after the run that pushed the
version. In ML Metadata the blessings given since are taken back, so that the next run is judged against, and begins its
warm start from, the model that is served.
"""

import argparse
import contextlib
import dataclasses
import datetime
import getpass
import hashlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)
from modules.atomic_files import write_atomically

if TYPE_CHECKING:
    from tfx_pipeline.config import PipelineConfig
    from tfx_pipeline.versions.push_history import Push, PushHistory

_NOTE = os.path.join("assets.extra", "rollback.json")


class RollbackError(ValueError):
    """A rollback that cannot be done, with the reason and what there is."""


@dataclasses.dataclass(frozen=True)
class Restored:
    """An export after a rollback.

    Attributes:
      export: the name it is served under.
      restored: the version that is served again; None where none goes with the one asked for.
      published: the new number it is served under.
      withdrawn: the version that was served until now; None where there was none.
    """

    export: str
    restored: int | None
    published: int | None
    withdrawn: int | None


def roll_back(config: "PipelineConfig", to: int | None = None) -> list[Restored]:
    """Serves an earlier version of each export again and takes back the blessings given since.

    A rollback that was killed is finished by the next call without `to`: what is to be served is written down first.

    Args:
      config: the pipeline's.
      to: a version of the portable export; None takes the newest earlier one with another model that is blessed.

    Returns:
      One entry an export, the portable one first.

    Raises:
      RollbackError: there is no such version, or none to go back to; nothing has changed.
      OSError: a fault of the file system.
    """
    from tfx_pipeline.runs.killed_runs import forget_unfinished_run
    from tfx_pipeline.versions import version_folder

    history = _history(config)
    exports = [name for name in (config.name, config.scann_name) if _numbers(config, name)]
    if config.name not in exports:
        raise RollbackError(f"`root` must be that of a pipeline that has pushed a model. Received: {config.root!r}.")
    with contextlib.ExitStack() as stack:
        # Under the locks of the folders: no push and no other rollback comes between.
        staged = {name: stack.enter_context(version_folder.staging(_folder(config, name))) for name in exports}
        plan = Path(config.serving_model_dir) / f".{config.name}.rollback.json"
        target = _target(config, history, _unfinished(config, plan) if to is None else to)
        chosen = {name: _goes_with(config, history, name, target) for name in exports}
        _write(plan, {"to": target.version, "in_place_of": max(_numbers(config, config.name))})
        results = _publish(config, chosen, staged)
        history.withdraw_after(target.run, {name: push.model_id if push else None for name, push in chosen.items()})
        # Which was to be judged against what is now withdrawn.
        forget_unfinished_run(config)
        plan.unlink()
    return results


def _unfinished(config: "PipelineConfig", plan: Path) -> int | None:
    """Returns where a rollback that was killed was going to; None where there is none, or a push came after it."""
    if not plan.exists():
        return None
    planned = json.loads(plan.read_text(encoding="utf-8"))
    serving = max(_numbers(config, config.name))
    if serving != planned["in_place_of"] and _origin(config, config.name, serving) != planned["to"]:
        return None
    logging.warning("The rollback to version %d was not completed; this one finishes it.", planned["to"])
    return planned["to"]


def _publish(config: "PipelineConfig", chosen: dict[str, "Push | None"], staged: dict[str, str]) -> list[Restored]:
    """Publishes one after the other what has been staged whole for all."""
    from tfx_pipeline.versions import version_folder

    current = {name: max(_numbers(config, name)) for name in chosen}
    for name, push in chosen.items():
        if push is not None:
            shutil.copytree(
                os.path.join(_folder(config, name), str(push.version)),
                staged[name],
                copy_function=_link,
                ignore=shutil.ignore_patterns(os.path.basename(_NOTE)),
            )
            note = {
                "restored_version": push.version,
                "in_place_of": current[name],
                "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                "by": _who(),
            }
            _write(Path(staged[name]) / _NOTE, note)
    results = []
    for name, push in chosen.items():
        if push is None:
            results.append(Restored(name, None, None, current[name]))
            continue
        published = version_folder.publish(staged[name], _folder(config, name), int(time.time()))
        results.append(Restored(name, push.version, published, current[name]))
    return results


def _target(config: "PipelineConfig", history: "PushHistory", to: int | None) -> "Push":
    """Returns the push of the portable export to go back to."""
    pushes = [push for push in history.pushes(config.name) if push.version in _numbers(config, config.name)]
    current = max(_numbers(config, config.name))
    serving = _origin(config, config.name, current)
    if to is not None:
        # A number that a rollback gave stands for the version it restored.
        wanted = _origin(config, config.name, to)
        found = [push for push in pushes if push.version == wanted]
        if not found:
            there = ", ".join(str(push.version) for push in pushes) or "none"
            raise RollbackError(
                f"`--to` must be a version that was pushed and is there still: {there}. Received: {to}."
            )
        return found[0]
    model = _digest(config, current)
    earlier = [
        push for push in pushes if push.version < serving and push.blessed and _digest(config, push.version) != model
    ]
    if not earlier:
        raise RollbackError(
            f"There is no version of another blessed model before {serving}, the one that is served. `--list` shows "
            "what there is, and `--to` takes any of it."
        )
    return earlier[-1]


def _goes_with(config: "PipelineConfig", history: "PushHistory", export: str, target: "Push") -> "Push | None":
    """Returns the push of an export that was served after the run of `target`."""
    if export == config.name:
        return target
    # What an earlier rollback withdrew was not served then, unless it is that very run that is asked for.
    pushes = history.pushes(export)
    until = [push for push in pushes if push.run == target.run or (push.run < target.run and push.blessed)]
    if until and until[-1].version not in _numbers(config, export):
        raise RollbackError(
            f"Version {until[-1].version} of {export}, which goes with version {target.version} of {config.name}, is "
            f"not in {_folder(config, export)} any more. Choose another version."
        )
    return until[-1] if until else None


def list_versions(config: "PipelineConfig") -> list[str]:
    """Returns a line for each version of the portable export that is there, the newest first."""
    pushes = {push.version: push for push in _history(config).pushes(config.name)}
    numbers = sorted(_numbers(config, config.name), reverse=True)
    lines = []
    for number in numbers:
        origin = _origin(config, config.name, number)
        push = pushes.get(origin)
        facts = ["served"] if number == numbers[0] else []
        if origin != number:
            facts.append(f"restores {origin}")
        elif push is None:
            facts.append("not pushed by this pipeline")
        else:
            facts += [f"pushed by the run of {push.run_name}", "blessed" if push.blessed else "withdrawn"]
        lines.append(f"{number}  {', '.join(facts)}")
    return lines


def _history(config: "PipelineConfig") -> "PushHistory":
    from tfx_pipeline.versions.push_history import PushHistory

    if "://" in config.serving_model_dir:
        raise RollbackError(
            "`serving_directory` must be a folder of this machine for a rollback. Received: "
            f"{config.serving_model_dir!r}. Name the version in models.config instead (docs/deployment.md)."
        )
    try:
        return PushHistory(config.metadata_path, config.name)
    except ValueError as error:
        raise RollbackError(str(error)) from error


def _folder(config: "PipelineConfig", export: str) -> str:
    return os.path.join(config.serving_model_dir, export)


def _numbers(config: "PipelineConfig", export: str) -> set[int]:
    folder = _folder(config, export)
    if not os.path.isdir(folder):
        return set()
    return {int(name) for name in os.listdir(folder) if name.isascii() and name.isdigit()}


def _origin(config: "PipelineConfig", export: str, version: int) -> int:
    """Returns the pushed version that a version restores, or itself."""
    note = Path(_folder(config, export), str(version), _NOTE)
    return json.loads(note.read_text(encoding="utf-8"))["restored_version"] if note.exists() else version


def _digest(config: "PipelineConfig", version: int) -> str:
    """Returns what tells a model from every other; one that was pushed again, from the cache, has the same."""
    digest = hashlib.sha256()
    # The index of the variables holds a checksum of each.
    for name in ("saved_model.pb", os.path.join("variables", "variables.index")):
        digest.update(Path(_folder(config, config.name), str(version), name).read_bytes())
    return digest.hexdigest()


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return str(os.getuid())


def _link(source: str, destination: str) -> str:
    """Links a file, so that going back needs no room on a full disk; copies it where there are no links."""
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)
    return destination


def _write(path: Path, content: dict[str, object]) -> None:
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps(content))


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 where it is done, 1 on a fault of the file system or of ML Metadata, 2 where it cannot be done."""
    from ml_metadata.errors import StatusError

    from tfx_pipeline.config import DEFAULT_CONFIG, load_config
    from tfx_pipeline.runs.run_lock import RunLockError, check_run_lock

    parser = argparse.ArgumentParser(prog="python -m tfx_pipeline.rollback", description=__doc__.splitlines()[0])
    parser.add_argument("--config", default=DEFAULT_CONFIG, help="YAML file of the pipeline")
    parser.add_argument("--to", type=int, help="version to serve again; default: the last with another blessed model")
    parser.add_argument("--list", action="store_true", help="list the versions and change nothing")
    arguments = parser.parse_args(argv)
    try:
        config = load_config(arguments.config)
        if arguments.list:
            print("\n".join(list_versions(config)))
            return 0
        results = roll_back(config, arguments.to)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, StatusError) as error:
        print(f"The rollback is not complete: {error}. The same command finishes it.", file=sys.stderr)
        return 1
    for result in results:
        print(_describe(result))
    print("The next run is judged against, and a warm start begins from, what is served now.")
    try:
        check_run_lock(config.pipeline_root)
    except RunLockError:
        print("A run is at work, and was begun before this: what it pushes takes over. Stop it, or roll back again.")
    return 0


def _describe(result: Restored) -> str:
    if result.restored is None:
        return f"{result.export}: no version goes with the one asked for; {result.withdrawn} stays served."
    return (
        f"{result.export}: version {result.restored} is served again, as {result.published}, in place of "
        f"{result.withdrawn}."
    )
