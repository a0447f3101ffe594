"""Which version of a model is to be loaded next, and which may go."""

from collections.abc import Collection
from typing import NamedTuple

from model_server.models.sources import VersionPolicy


class Plan(NamedTuple):
    """What to do next for a model."""

    load: int | None
    unload: set[int]


def plan(
    on_disk: Collection[int],
    loaded: Collection[int],
    failed: Collection[int],
    policy: VersionPolicy,
) -> Plan:
    """Returns the version to load next, if any, and the loaded ones that are no longer wanted.

    Args:
      on_disk: the versions there are.
      loaded: those that are being served.
      failed: those that could not be loaded; the policy chooses among the others.
      policy: which ones are wanted.
    """
    wanted = policy.choose(set(on_disk) - set(failed))
    to_load = max(wanted - set(loaded), default=None)
    # While nothing that is wanted is there yet, the old keeps answering.
    replaced = wanted & set(loaded) or not on_disk
    return Plan(to_load, set(loaded) - wanted if replaced else set())
