"""A worker that is killed.

    TF_CONFIG=... python -m tests.modules.training.distributed.killed_worker <folder of the job> <epoch> <batch>

takes its place in the cluster, and kills itself at the beginning of that batch of that epoch, both counted from 0.
"""

import os
import signal
import sys

from modules.training.distributed.tf_config import read_tf_config
from modules.training.worker import run
from tests.modules.training.runs import Kill


class Signal(Kill):
    """As `Kill`, by the signal that gives no process a chance to say goodbye."""

    def end(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    folder, *moment = sys.argv[1:]
    run(read_tf_config(), folder, 0, [Signal(*map(int, moment))])
