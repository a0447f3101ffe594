"""Which lists and rules are shipped with a model."""

from modules.section import Section


class NamedItems(Section):
    """Names that the rules of requests may use as they use the items' features."""

    lists: dict[str, str] = {}
    """Name -> text file of item ids, one a line."""
    rules: dict[str, str] = {}
    """Name -> rule, which may name lists."""
    digests: dict[str, str] = {}
    """Name of a list -> digest of its file, so that a change of it misses the cache."""
