"""What is mended makes those components run again that run it, and no others."""

import functools
import shutil
from pathlib import Path

import pytest

from modules.code_digest import code_digest
from tests.paths import ROOT
from tfx_pipeline import component_code
from tfx_pipeline.component_code import ComponentCode
from tfx_pipeline.config import PipelineConfig


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the packages, of which the digests are."""
    for package in ("modules", "model_server", "tfx_pipeline", "benchmarks"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(component_code, "code_digest", functools.partial(code_digest, root=tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("mended", "run_again"),
    [
        ("model_server/forms/json_print.py", set()),
        ("tfx_pipeline/report/plots.py", set()),
        ("benchmarks/training.py", set()),
        ("modules/models/retrievers/sasrec.py", {"trainer", "tuner"}),
        ("modules/models/retrievers/caser.py", set()),
        ("modules/models/losses.py", {"trainer", "tuner"}),
        ("modules/training/fit.py", {"trainer", "tuner"}),
        ("modules/data/grouping/kcore.py", {"example_gen"}),
        ("modules/data/sources/rdatasets.py", {"example_gen"}),
        ("modules/data/sources/taobao.py", set()),
        ("modules/preprocessing.py", {"transform"}),
        ("modules/export/scann_export.py", {"scann_indexer"}),
        ("modules/recommend_all.py", {"batch_recommender"}),
    ],
)
def test_what_is_mended_runs_again(root: Path, mended: str, run_again: set[str]) -> None:
    before = vars(ComponentCode(PipelineConfig()))
    with (root / mended).open("a") as file:
        file.write("\n# mended\n")
    after = vars(ComponentCode(PipelineConfig()))
    assert {name for name in before if before[name] != after[name]} == run_again
