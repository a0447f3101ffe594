"""Ctrl-C, SIGTERM and a terminal that is closed: a run ends at once, and says how it goes on."""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import NoReturn


def end_when_told(message: Callable[[], str]) -> None:
    """Has the signals end this process at once, with the status of a shell: 128 and the signal's number.

    Nothing is tidied up: what can be relied on after SIGKILL can be relied on after this, and TFX's command line
    leaves a run a quarter of a second from Ctrl-C to its end. A thread waits for the signals, since the main one
    hears of none while TensorFlow or Beam is at work in it. To be called from the main thread.

    Args:
      message: returns what is printed last, to standard error.
    """
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    # Python's own handler writes the signal's number there, whatever the main thread is doing.
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Whoever started this with a signal ignored, as `nohup` does, wants it ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)

    def end() -> NoReturn:
        number = reading.recv(1)[0]
        with contextlib.suppress(OSError):
            print(f"\n{message()}", file=sys.stderr, flush=True)
        os._exit(128 + number)

    threading.Thread(target=end, name="interruption", daemon=True).start()
