"""Recommendations are written by a blessed model only, and whole or not at all."""

import os
from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from tfx.types import standard_artifacts

from tests.lookup_model import write_examples
from tests.tfx_pipeline.popular_model import save_popular_model
from tfx_pipeline.components.batch_recommender import BatchRecommender

USERS = {f"u{n}": {"history": ["a", "b"], "target": ["c"]} for n in range(5)}


def _run(tmp_path: Path, verdicts: tuple[int, int] = (1, 1), fault: str | None = None) -> tuple[int, Path]:
    """Returns the property `written` and the artifact's folder."""
    artifacts = [
        standard_artifacts.Model(),
        standard_artifacts.ModelBlessing(),
        standard_artifacts.InfraBlessing(),
        standard_artifacts.Examples(),
        standard_artifacts.InferenceResult(),
    ]
    model, verdict, infra, examples, recommendations = artifacts
    for artifact in artifacts:
        artifact.uri = str(tmp_path / artifact.type_name)
        os.makedirs(artifact.uri, exist_ok=True)
    for blessing, blessed in zip((verdict, infra), verdicts, strict=True):
        blessing.set_int_custom_property("blessed", blessed)
    save_popular_model(Path(model.uri) / "Format-Serving", fault=fault)
    examples.split_names = '["train", "valid", "test"]'
    for split in ("train", "valid", "test"):
        rows = [{"user_id": user, **features} for user, features in USERS.items()]
        write_examples(Path(examples.uri) / f"Split-{split}", rows)
    options = PipelineOptions(["--direct_running_mode=in_memory", "--direct_num_workers=1"])
    BatchRecommender.test_call(
        model=model,
        model_blessing=verdict,
        infra_blessing=infra,
        examples=examples,
        recommendations=recommendations,
        top_k=2,
        code="",
        shards=1,
        beam_pipeline=beam.Pipeline(options=options),
    )
    return recommendations.get_int_custom_property("written"), Path(recommendations.uri)


def test_a_blessed_model_recommends_to_every_user(tmp_path: Path) -> None:
    written, folder = _run(tmp_path)
    assert written == 1
    assert [path.name for path in folder.iterdir()] == ["recommendations"]
    rows = pq.read_table(folder / "recommendations" / "parquet").to_pylist()
    assert sorted(row["user_id"] for row in rows) == sorted(USERS)
    assert all(row["item_id"] == ["d", "e"] for row in rows)


@pytest.mark.parametrize("verdicts", [(0, 1), (1, 0)])
def test_a_model_that_is_not_blessed_recommends_nothing(tmp_path: Path, verdicts: tuple[int, int]) -> None:
    written, folder = _run(tmp_path, verdicts)
    assert written == 0
    assert list(folder.iterdir()) == []


def test_a_failure_leaves_nothing_to_be_seen(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no answer for"):
        _run(tmp_path, fault="user u3")
    assert list((tmp_path / "InferenceResult").iterdir()) == []
