"""Named components, imported on demand: adding one is a new file and one line in its registry."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any


class Registry(Mapping[str, Any]):
    """Maps a component's name in the configuration to its class.

    Args:
      kind: what the entries are, for error messages ("retriever").
      entries: name -> "package.module:Class". The class has an `Options` attribute, a pydantic model of its
        own settings, and is imported when first looked up.

    A name that is itself a "package.module:Class" stands for that class: a part need not be of this project.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self._kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Any:
        entry = self._entry(name)
        module, _, attribute = entry.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            if entry != name:
                raise
            message = f"`{self._kind}.name` must be a class that can be imported. Received: {name!r} ({error})."
            raise ValueError(message) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _entry(self, name: str) -> str:
        entry = name if ":" in name else self._entries.get(name)
        if entry is None:
            raise ValueError(f"`{self._kind}.name` must be one of {sorted(self._entries)}. Received: {name!r}.")
        return entry

    def module(self, name: str) -> str:
        """Returns the dotted name of the module that component `name` is imported from; nothing is imported."""
        return self._entry(name).partition(":")[0]

    def options(self, name: str, values: Mapping[str, Any]) -> Any:
        """Returns the validated options of component `name`; raises ValueError on an unknown name or option."""
        return self[name].Options(**values)
