"""Beam's pipeline options that have no key here: known to Beam, of the runner, and not said twice."""

import argparse
import contextlib
import difflib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

_RUNNERS_OF: dict[str, set[str]] = {
    "DirectOptions": {"direct"},
    "FlinkRunnerOptions": {"flink", "portable"},
    "SparkRunnerOptions": {"spark", "portable"},
    "JobServerOptions": {"flink", "spark"},
    "PortableOptions": {"flink", "spark", "portable"},
    "DaskOptions": {"dask"},
    "PrismRunnerOptions": set(),
}
"""Class of options that only some runners read -> these runners."""


class _Parser(argparse.ArgumentParser):
    """Collects which flags there are; refuses by ValueError."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False, conflict_handler="resolve")
        self.destinations: dict[str, str] = {}

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        action = super().add_argument(*names, **settings)
        self.destinations |= dict.fromkeys(action.option_strings, action.dest)
        return action

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def check_raw_flags(flags: Sequence[str], runner: str, keys: Mapping[str, str]) -> None:
    """Checks flags that are handed to Beam as they stand.

    Args:
      flags: such as `--experiments=use_runner_v2`.
      runner: name of the engine.
      keys: flag -> the key that sets it.

    Raises:
      ValueError: Beam does not know a flag or cannot read its value, another runner reads it, or it has a key.
    """
    parser, owners = _beam_parser()
    names = [flag.partition("=")[0] for flag in flags if flag.startswith("-")]
    taken = {parser.destinations[flag]: key for flag, key in keys.items() if flag in parser.destinations}
    for name in names:
        if name not in parser.destinations:
            raise ValueError(
                f"`options` must hold pipeline options that Beam knows{_suggestion(name, parser.destinations)}. "
                f"Received: {name!r}."
            )
        runners = _RUNNERS_OF.get(owners[name], {runner})
        if runner not in runners:
            raise ValueError(
                f"`options` must hold options that the runner {runner!r} reads. "
                f"Received: {name!r}, an option of {sorted(runners) or 'a runner that is not supported'}."
            )
        if parser.destinations[name] in taken:
            raise ValueError(
                f"`options` must leave to a key what has one. Received: {name!r}; "
                f"set `{taken[parser.destinations[name]]}` instead."
            )
    try:
        _, left = parser.parse_known_args(list(flags))
    except ValueError as error:
        raise ValueError(f"`options` must hold values that Beam can read: {error}. Received: {list(flags)}.") from error
    if left:
        raise ValueError(f"`options` must hold flags, written `--name=value`. Received: {left}.")


def _beam_parser() -> tuple[_Parser, dict[str, str]]:
    """Returns a parser of every option of Beam, and the class that declares each flag."""
    # Beam takes seconds to import, and most configurations have no raw flags.
    from apache_beam.options.pipeline_options import PipelineOptions

    # Declares its options as it is imported, which it can be where Dask is installed.
    with contextlib.suppress(ImportError):
        importlib.import_module("apache_beam.runners.dask.dask_runner")
    parser = _Parser()
    owners: dict[str, str] = {}
    for options in PipelineOptions.__subclasses__():
        before = dict(parser.destinations)
        options._add_argparse_args(parser)
        owners |= {flag: options.__name__ for flag in parser.destinations if flag not in before}
    return parser, owners


def _suggestion(name: str, known: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
