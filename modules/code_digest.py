"""Digests of the sources that a component runs, so that a change of code reaches TFX's cache keys."""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def code_digest(*modules: str, root: Path = _ROOT) -> str:
    """Returns a digest of some modules' sources and of all that they import, directly or not, below `root`.

    Components that name their function by dotted path are cached by that path alone; without the digest among their
    properties an edited function would be served from the cache. Imports within functions count too. What a registry
    names by strings does not: whoever knows which entry is chosen names its module here.

    Args:
      *modules: dotted names.
      root: the folder their packages lie in; what is not found there, as other projects' packages, does not count.
    """
    digest = hashlib.sha256()
    for path in sorted(_closure(modules, root)):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _closure(modules: tuple[str, ...], root: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        for path in _files(waiting.pop(), root):
            if path not in found:
                found.add(path)
                waiting += _imports(path)
    return found


def _files(module: str, root: Path) -> Iterator[Path]:
    """Yields the file of a dotted name and those of the packages it is in; a name within a module has none."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:end])
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                yield path


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
