"""Every configuration that docs/engines.md shows is one that can be loaded."""

import re
from pathlib import Path

import pytest
import yaml

from tests.paths import ROOT
from tfx_pipeline.beam.engines import ENGINES
from tfx_pipeline.config import load_config

DOCUMENT = ROOT / "docs" / "engines.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS)
def test_what_the_document_shows_is_valid(block: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(block, encoding="utf-8")
    config = load_config(path)
    shown = yaml.safe_load(block)["beam"]
    assert config.beam.model_dump(exclude_unset=True) == shown
    assert config.beam.pipeline_args()[0] == f"--runner={config.beam.engine.RUNNER}"


def test_every_engine_is_shown() -> None:
    assert {yaml.safe_load(block)["beam"]["runner"] for block in BLOCKS} == set(ENGINES)
