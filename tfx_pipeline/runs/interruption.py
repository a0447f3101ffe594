"""Ctrl-C, SIGTERM and a terminal that is closed: a run ends at once, and says how it goes on."""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """One of the signals has come.

    Attributes:
      status: what a shell takes a process for that a signal ended: 128 and its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


def end_when_told(message: Callable[[], str]) -> None:
    """Has the signals end this process at once, with the status `Interrupted` has.

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
    _handle(lambda number, frame: None)

    def end() -> NoReturn:
        interrupted = Interrupted(reading.recv(1)[0])
        with contextlib.suppress(OSError):
            print(f"\n{message()}", file=sys.stderr, flush=True)
        os._exit(interrupted.status)

    threading.Thread(target=end, name="interruption", daemon=True).start()


def raise_when_told() -> None:
    """Has the first of the signals raise Interrupted in the main thread; later ones change nothing."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        del frame
        _handle(signal.SIG_IGN)
        raise Interrupted(number)

    _handle(interrupt)


def _handle(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    for number in _SIGNALS:
        # Whoever started this with a signal ignored, as `nohup` does, wants it ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
