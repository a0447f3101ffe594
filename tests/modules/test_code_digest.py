"""The digest that tells TFX of changed sources."""

from pathlib import Path

import pytest

from modules.code_digest import code_digest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A package in which `run` imports `used` at once and `later` in a function, and not `other`."""
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__", "inner/__init__", "inner/later", "other"):
        (package / f"{name}.py").write_text("")
    (package / "used.py").write_text("import package.inner")
    (package / "run.py").write_text("from package import used\ndef f():\n    from package.inner import later")
    return tmp_path


@pytest.mark.parametrize("name", ["__init__", "run", "used", "inner/__init__", "inner/later"])
def test_a_change_of_what_is_imported_changes_it(root: Path, name: str) -> None:
    before = code_digest("package.run", root=root)
    with (root / "package" / f"{name}.py").open("a") as file:
        file.write("\n# changed")
    assert code_digest("package.run", root=root) != before


def test_what_is_not_imported_has_no_part(root: Path) -> None:
    before = code_digest("package.run", root=root)
    (root / "package" / "other.py").write_text("changed = True")
    (root / "package" / "notes.txt").write_text("no source")
    assert code_digest("package.run", root=root) == before
    assert code_digest("package.run", "package.other", root=root) != before
