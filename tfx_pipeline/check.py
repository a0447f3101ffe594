"""`make check`: a look at the data and the configuration before hours are spent on them."""

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)

if TYPE_CHECKING:
    from modules.data.look import Look


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 where a run would start, 2 where it would not."""
    from tfx_pipeline.config import DEFAULT_CONFIG, ConfigError, load_config

    parser = argparse.ArgumentParser(prog="python -m tfx_pipeline.check", description=__doc__)
    parser.add_argument("--config", default=DEFAULT_CONFIG, help="YAML file of the pipeline")
    parser.add_argument("--data", help="interactions table; takes the place of `data.path`")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args(argv)

    from modules.data.look import Look, look

    try:
        config = load_config(arguments.config, arguments.data)
    except ConfigError as error:
        found, notes = Look(problems=[str(error)]), []
    else:
        with tempfile.TemporaryDirectory() as folder:
            found = look(config.data, folder)
        items = (found.kept or {}).get("items", 0)
        notes = [
            f"`model.{key}` is {value}, and {items} items are left: it is taken as at most that."
            for key, value in (("candidates", config.model.candidates), ("num_negatives", config.model.num_negatives))
            if items and value != "all" and value > items
        ]
    if arguments.json:
        print(json.dumps({**dataclasses.asdict(found), "notes": notes}, ensure_ascii=False))
    else:
        print("\n".join(_lines(found, notes)))
    return 2 if found.problems else 0


def _lines(found: "Look", notes: list[str]) -> list[str]:
    lines = []
    if found.format:
        written = f"{found.format}, {found.encoding}" + (
            f", columns apart by {found.delimiter!r}" if found.delimiter else ""
        )
        lines += [f"Written as     {written}", f"Columns        {', '.join(found.columns or [])}"]
        lines += [f"               {row}" for row in found.first_rows or []]
    if found.users is not None and found.kept is not None:
        lines += [
            f"Rows           {found.rows}, of which {found.set_aside} cannot be used and {found.left_out} are left out",
            *(f"               {count} x {reason}" for reason, count in sorted(found.reasons.items())),
            f"Users, items   {found.users}, {found.items}; {found.repeats} rows repeat a user and an item",
            f"From, to       {found.first}, {found.last}" if found.first else "From, to       no times",
        ]
        if found.tied_neighbours is not None and found.tied_tests is not None:
            lines.append(
                f"Equal times    {found.tied_neighbours:.1%} of a user's items have the time of the one before, "
                f"{found.tied_tests:.1%} of the last ones"
            )
        lines.append("The filters    leave " + ", ".join(f"{count} {what}" for what, count in found.kept.items()))
    lines += [f"Note           {note}" for note in notes]
    lines += [f"Problem        {problem}" for problem in found.problems]
    return [*lines, "A run would not start." if found.problems else "A run would start: make run."]


if __name__ == "__main__":
    sys.exit(main())
