"""What a run that fails says at the terminal: the component, the reason, what to do; the rest goes to a file."""

import re
import time
import traceback
from pathlib import Path

_BEAM_SUFFIX = re.compile(r"\s*\[while running '[^']*'\]\s*$")


def describe_failure(error: BaseException, component: str | None, folder: Path) -> str:
    """Writes the traceback to a new file in `folder` and returns the message to end a run with.

    Args:
      error: what the run ended with.
      component: the component that was running; None where none was.
      folder: of the logs; made where it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"failure-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**9:09d}.txt"
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return (
        f"{component or 'The run'} failed. {_reason(error)}\n"
        f"The traceback is in {path}. What has finished is kept: mend this and start the run again."
    )


def describe_interruption(component: str | None) -> str:
    """Returns the message to end a run with that was told to stop.

    Args:
      component: the component that was running; None where none was.
    """
    where = f" in {component}" if component else ""
    return (
        f"The run was stopped{where}. What has finished is kept, and training goes on after its last whole epoch: "
        "start the run again by the same command."
    )


def _reason(error: BaseException) -> str:
    # Beam adds the name of a step to every message.
    message = _BEAM_SUFFIX.sub("", str(error)).strip()
    # The project's own errors say all there is to say.
    return message if isinstance(error, ValueError) and message else f"{type(error).__name__}: {message}"
