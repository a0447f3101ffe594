"""How a training is spread over devices, processes and machines."""

from typing import Literal

import pydantic

from modules.section import Section


class DistributionConfig(Section):
    """How a training is spread over devices, processes and machines (docs/training.md)."""

    strategy: Literal["none", "mirrored", "multi_worker", "parameter_server"] = "none"
    """`mirrored`: all GPUs of this machine; `multi_worker`: processes that step together, each with the whole model;
    `parameter_server`: workers that step each for itself, with the large tables in shards on servers."""
    local_workers: int | None = pydantic.Field(None, ge=1)
    """How many workers are started here; None: this is one task of the cluster in `TF_CONFIG`."""
    local_servers: int | None = pydantic.Field(None, ge=1)
    """parameter_server: how many parameter servers are started here, beside `local_workers`."""
    min_shard_bytes: int = pydantic.Field(1 << 20, ge=1)
    """parameter_server: a table is cut into shards of at least this size, one a server at most."""
    start_timeout_seconds: int = pydantic.Field(300, ge=1)
    """How long the workers wait for each other at the start."""
    peer_timeout_seconds: int = pydantic.Field(900, ge=1)
    """How long a worker waits within a step for one that lives but does not come; more than a checkpoint takes."""
    restarts: int = pydantic.Field(3, ge=0)
    """How often workers that died are started again, each time from the last finished epoch."""

    @property
    def in_processes(self) -> bool:
        """Whether processes of their own train, which find each other through `TF_CONFIG`."""
        return self.strategy in ("multi_worker", "parameter_server")

    @pydantic.model_validator(mode="after")
    def _workers_are_of_the_strategy(self) -> "DistributionConfig":
        if self.local_workers is not None and not self.in_processes:
            raise ValueError(
                "`local_workers` must be left out unless `strategy` is 'multi_worker' or 'parameter_server'. "
                f"Received: {self.local_workers} with strategy {self.strategy!r}."
            )
        servers_wanted = self.strategy == "parameter_server" and self.local_workers is not None
        if servers_wanted != (self.local_servers is not None):
            raise ValueError(
                "`local_servers` must be set where `strategy` is 'parameter_server' with `local_workers`, and left out "
                f"elsewhere. Received: {self.local_servers} with strategy {self.strategy!r} and local_workers "
                f"{self.local_workers}."
            )
        return self
