"""Named components, imported on demand: adding one is a new file and one line in its registry."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import pydantic


class Registry(Mapping[str, type]):
    """Maps a component's name in the configuration to its class.

    Args:
      kind: what the entries are, for error messages ("retriever").
      entries: name -> "package.module:Class". The class has an `Options` attribute, a pydantic model of its
        own settings, and is imported when first looked up.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self._kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> type:
        if name not in self._entries:
            raise ValueError(f"`{self._kind}.name` must be one of {sorted(self._entries)}. Received: {name!r}.")
        module, _, attribute = self._entries[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def options(self, name: str, values: Mapping[str, Any]) -> pydantic.BaseModel:
        """Returns the validated options of component `name`; raises ValueError on an unknown name or option."""
        return self[name].Options(**values)
