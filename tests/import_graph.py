"""Who imports whom among the project's own files, read from their source: nothing is imported to find out."""

import ast
from collections.abc import Collection, Container, Iterator
from pathlib import Path

PACKAGES = ("modules", "model_server", "tfx_pipeline", "kubeflow", "experiments", "benchmarks")


def import_graph(root: Path, packages: Collection[str] = PACKAGES) -> dict[str, set[str]]:
    """Returns, for the dotted name of each file of the packages, the files it imports, inside functions too."""
    files = {_dotted(path.relative_to(root)): path for package in packages for path in (root / package).rglob("*.py")}
    return {name: {target for target in imported(path, files) if target != name} for name, path in files.items()}


def imported(path: Path, names: Container[str]) -> Iterator[str]:
    """Yields those of `names` that the file imports; `from a import b` is `a.b` where that is a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
            files = (target if target in names else node.module for target in targets)
            yield from (file for file in files if file in names)


def rooms(graph: dict[str, set[str]], package: str = "") -> dict[str, set[str]]:
    """Returns the graph of what lies directly in `package`: its files, and each of its folders as one room.

    `config.py` holds the sections of the rooms beside it, so an import of a `config` by a `config` is not drawn.
    """
    above = f"{package}." if package else ""
    drawn: dict[str, set[str]] = {}
    for name, targets in graph.items():
        if name.startswith(above):
            room = name.removeprefix(above).partition(".")[0]
            beside = {target.removeprefix(above) for target in targets if target.startswith(above)}
            if room == "config":
                beside = {target for target in beside if not target.endswith(".config")}
            drawn.setdefault(room, set()).update({target.partition(".")[0] for target in beside} - {room})
    return drawn


def _dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")
