"""When a version that could not be loaded is tried again."""

import dataclasses

from model_server.errors import ServingError


@dataclasses.dataclass(frozen=True)
class Retries:
    """How often and when.

    Args:
      number: how many times a version is tried again after the first failure; below 1 for never.
      seconds: the time from a failure to the next try.
    """

    number: int = 5
    seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.seconds < 0:
            raise ValueError(f"`load_retry_interval_micros` must not be negative. Received: {self.seconds * 1e6:.0f}.")


NEVER = Retries(number=0)


@dataclasses.dataclass(frozen=True)
class Failure:
    """A version that is to be tried again.

    Args:
      error: why it could not be loaded the last time.
      tries: how often it was tried.
      due: when it is tried again, by the manager's clock.
    """

    error: ServingError
    tries: int
    due: float
