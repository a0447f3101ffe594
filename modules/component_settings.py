"""How settings reach the function that a TFX component runs."""

from collections.abc import Mapping
from typing import Any

from typing_extensions import Self

from modules.section import Section

_KEY = "settings"


class ComponentSettings(Section):
    """Everything a component's function needs to know: dumped once into TFX's `custom_config`, parsed once there."""

    code: str
    """Digest of the sources that the component runs, so that a change of them misses TFX's cache."""

    def to_custom_config(self) -> dict[str, str]:
        """Returns the `custom_config` of the component."""
        return {_KEY: self.model_dump_json()}

    @classmethod
    def from_custom_config(cls, custom_config: Mapping[str, Any]) -> Self:
        """Returns the settings out of the `custom_config` that TFX hands to the function."""
        return cls.model_validate_json(custom_config[_KEY])
