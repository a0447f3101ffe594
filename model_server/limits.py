"""The bounds within which a server works."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """What the server takes on.

    Args:
      body_bytes: the longest request body or message, also once decompressed.
      threads: calls that run at once, of REST and of gRPC each.
      pending: calls that run or wait, of REST and of gRPC each; more are refused.
      timeout_seconds: how long a request's headers and its body may take to arrive each, and then the call to be
        answered.
      json_values: a JSON body must have fewer commas.
    """

    body_bytes: int = 64 * 2**20
    threads: int = 8
    pending: int = 256
    timeout_seconds: float = 30.0
    json_values: int = 1_000_000

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value <= 0:
                raise ValueError(f"`{field.name}` must be positive. Received: {field.name}={value}.")
