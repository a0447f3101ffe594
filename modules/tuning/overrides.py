"""Settings in layers: later ones over earlier ones, and single values by their dotted key."""

from collections.abc import Iterable, Mapping
from typing import Any

from modules.models.choices import CHOICES
from modules.models.config import ModelConfig


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the layers merged key by key, later ones winning; a component of another name replaces the whole."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = merged.get(key)
            both = isinstance(old, Mapping) and isinstance(value, Mapping)
            same = both and value.get("name", old.get("name")) == old.get("name")
            merged[key] = merge(old, value) if same else value  # type: ignore[arg-type]  # both are mappings
    return merged


def override(settings: Mapping[str, Any], point: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Returns the settings with some values in place of what stands there.

    Args:
      settings: `model` and `training`, as mappings.
      point: pairs of a dotted key of the settings ("training.weight_decay") and its value; `model.*.dropout` is that
        option of every component that has it.
    """
    changed = dict(settings)
    for key, value in point:
        changed = merge(changed, _nest(key, value, changed))
    return changed


def _nest(key: str, value: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    section, *rest = key.split(".")
    if rest[0] == "*":
        option = rest[1]
        model = ModelConfig(**settings[section])
        names = {key: getattr(model, key).name for key in CHOICES}
        return {
            section: {
                key: {"name": name, option: value}
                for key, name in names.items()
                if option in CHOICES[key][name].Options.model_fields
            }
        }
    nested: Any = value
    for part in reversed(rest):
        nested = {part: nested}
    return {section: nested}
