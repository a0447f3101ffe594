"""Raw cells to the values of side features."""

from modules.data.config import SideFeature
from modules.data.reading import rows

Values = list[bytes] | list[float]


def feature_values(feature: SideFeature, cell: str) -> Values:
    """Returns a cell's categories (encoded as UTF-8) or its number; empty where it holds none.

    A number that cannot be read counts as missing: an interaction is not worth losing for it.
    """
    if feature.kind == "numeric":
        value = rows.number(cell)
        return [] if value is None else [value]
    parts = cell.split(feature.separator) if feature.separator else [cell]
    return [part.encode() for part in dict.fromkeys(parts) if part]


def all_values(features: dict[str, SideFeature], cells: list[str]) -> dict[str, Values]:
    """Returns the values by feature name.

    Args:
      features: by name.
      cells: in the order of `features`; empty where nothing is known.
    """
    if not cells:
        return {name: [] for name in features}
    return {name: feature_values(feature, cell) for (name, feature), cell in zip(features.items(), cells, strict=True)}
