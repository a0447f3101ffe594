"""The digest that tells TFX of changed sources."""

from pathlib import Path

import pytest

from modules import code_digest


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of two files in place of the real one."""
    monkeypatch.setattr(code_digest, "__file__", str(tmp_path / "code_digest.py"))
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "inner" / "b.py").write_text("y = 2")
    return tmp_path


def test_equal_sources_have_equal_digests(sources: Path) -> None:
    before = code_digest.code_digest()
    (sources / "notes.txt").write_text("no source")
    assert code_digest.code_digest() == before


@pytest.mark.parametrize("change", ["edited", "renamed", "added", "removed"])
def test_any_change_of_any_source_changes_it(sources: Path, change: str) -> None:
    before = code_digest.code_digest()
    file = sources / "inner" / "b.py"
    if change == "edited":
        file.write_text("y = 3")
    elif change == "renamed":
        file.rename(sources / "inner" / "c.py")
    elif change == "added":
        (sources / "c.py").write_text("")
    else:
        file.unlink()
    assert code_digest.code_digest() != before
