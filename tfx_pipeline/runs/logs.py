"""A quiet terminal: one line a component, and warnings."""

import logging
import re
import sys
import time

from absl import flags
from absl import logging as absl_logging

_STARTED = re.compile(r"Component (\S+) is running\.")
_FINISHED = re.compile(r"Component (\S+) is finished\.")
# Of no use to whoever runs the pipeline, and dozens a run.
_NOISE = (
    "ArtifactQuery.property_predicate is not supported",
    "Tables initialized inside a tf.function",
    "does not have payload_format",
    "Sharding callback duration",
)
_OWN_PACKAGES = ("/modules/", "/tfx_pipeline/")


class ComponentLines(logging.Filter):
    """Turns TFX's thousands of lines into a line at the start and one at the end of each component."""

    def __init__(self) -> None:
        super().__init__()
        self._started: dict[str, float] = {}

    @property
    def running(self) -> str | None:
        """The component that was started last and has not finished."""
        return next(reversed(self._started), None)

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets through warnings, this project's own lines and the components' lines, rewritten."""
        message = record.getMessage()
        if any(noise in message for noise in _NOISE):
            return False
        if started := _STARTED.search(message):
            name = started.group(1)
            self._started[name] = time.monotonic()
            record.msg, record.args = f"{name} ...", ()
            return True
        if finished := _FINISHED.search(message):
            name = finished.group(1)
            seconds = time.monotonic() - self._started.pop(name, time.monotonic())
            record.msg, record.args = f"{name} done in {seconds:.1f} s", ()
            return True
        own = any(package in record.pathname for package in _OWN_PACKAGES)
        return own or record.levelno >= logging.WARNING


def set_up() -> ComponentLines:
    """Configures the process's logging for a run at a terminal, and returns the filter, which knows what runs."""
    # Nothing here has flags; absl would warn of every line logged before they are read.
    flags.FLAGS.mark_as_parsed()
    handler = absl_logging.get_absl_handler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    lines = ComponentLines()
    handler.addFilter(lines)
    handler.python_handler.stream = sys.stderr
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    absl_logging.set_verbosity(absl_logging.INFO)
    absl_logging.use_absl_handler()
    for name in ("tensorflow", "apache_beam", "google", "h5py", "matplotlib", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return lines
