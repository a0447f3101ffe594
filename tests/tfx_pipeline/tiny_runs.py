"""Three real runs of the evaluation half over six users, shared by the tests that look at them."""

import atexit
import dataclasses
import functools
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tfx import v1 as tfx

from modules.metrics.config import EvaluationConfig
from tests.lookup_model import save_lookup_model, write_examples
from tfx_pipeline.components.schema_gate import SchemaGate
from tfx_pipeline.components.serving_check import ServingCheck
from tfx_pipeline.evaluation import eval_config

NAME = "tiny"
CATALOG = [
    {"item_id": item, "item_title": title, "item_count": count}
    for item, title, count in [
        ("a", "Alien <1979>", 9),
        ("b", "Brazil & Co", 7),
        ("c", "Cube", 5),
        ("d", "Dune", 3),
        ("e", "Eraserhead", 2),
        ("f", "Fargo", 1),
    ]
]
USERS = [
    {
        "user_id": f"u{n}",
        "history": history,
        "target": target,
        "user_activity": activity,
        "target_genres": genres,
    }
    for n, (history, target, activity, genres) in enumerate(
        [
            (["b"], "a", "low", ["Horror"]),
            (["a"], "b", "low", ["Comedy"]),
            (["a", "b"], "c", "low", ["Horror", "Drama"]),
            (["c"], "d", "high", ["Drama"]),
            (["d"], "e", "high", ["Drama"]),
            (["e"], "f", "high", ["Comedy"]),
        ],
        start=1,
    )
]
# Ranks of the targets: 1, 1, 1, 2, 2, none; the retriever has the last third, the others second.
# Among all candidates is the last one's too; the most popular item is the target of one.
GOOD = {
    f"u{n}": {
        "ranked": ranked,
        "retrieved": retrieved,
        "exhaustive": exhaustive,
        "pool": ranked + "f",
        "popular": "axy",
    }
    for n, (ranked, retrieved, exhaustive) in enumerate(
        [
            ("axy", "xayz", "axy"),
            ("bxy", "xbyz", "bxy"),
            ("cxy", "xcyz", "cxy"),
            ("xdy", "xdyz", "dxy"),
            ("xey", "xeyz", ""),
            ("xyz", "xyfz", ""),
        ],
        start=1,
    )
}
# The same but that no target of u1, u2, u3 is found; it also recommends an item several times.
WORSE = {user: {**GOOD[user], **({"ranked": "xyz"} if user < "u4" else {})} for user in GOOD}
HISTORY = [
    {"epoch": 1, "seconds": 2.5, "loss": 3.0, "retriever_loss": 2.0, "ranker_loss": 0.9, "kl": 0.1,
     "val_two_stage_ndcg@10": 0.20, "val_retriever_ndcg@10": 0.25, "val_two_stage_recall@10": 0.4},
    {"epoch": 2, "seconds": 2.0, "loss": 2.0, "retriever_loss": 1.5, "ranker_loss": 0.4, "kl": 0.1,
     "val_two_stage_ndcg@10": 0.35, "val_retriever_ndcg@10": 0.30, "val_two_stage_recall@10": 0.5},
]  # fmt: skip
DATA_REPORT = {
    "source": "csv",
    "task": "sequential",
    "rows": {
        "read": 12345,
        "set_aside": 2,
        "reasons": {"timestamp: not a number": 2},
        "samples": [
            {
                "reason": "timestamp: not a number",
                "file": "a.csv",
                "text": "u9,<script>alert(1)</script>,",
            }
        ],
        "below_min_rating": 6,
    },
    "corpus": {"users": 6, "items": 6, "interactions": 13, "density": 0.3611, "first": None},
}
SCHEMA = """
feature { name: "user_id" type: BYTES presence { min_fraction: 1 min_count: 1 } }
feature { name: "history" type: BYTES }
feature { name: "target" type: BYTES presence { min_fraction: 1 min_count: 1 } }
feature { name: "user_activity" type: BYTES domain: "activity" presence { min_fraction: 1 } }
feature { name: "target_genres" type: BYTES }
string_domain { name: "activity" value: "low" value: "high" }
"""


@dataclasses.dataclass(frozen=True)
class TinyRuns:
    """Where the runs left what, and what the last one failed with."""

    folder: Path
    schema_error: BaseException

    @property
    def root(self) -> str:
        return str(self.folder / "root")

    @property
    def pushed(self) -> Path:
        return self.folder / "serving"

    def metadata(self, run: str) -> str:
        """The MLMD as it stood after run "good", "worse" or "bad_data"."""
        return str(self.folder / f"metadata_{run}.sqlite")


@functools.cache
def tiny_runs() -> TinyRuns:
    """Runs a good model, a worse one, and data the schema refuses; once a test session."""
    folder = Path(tempfile.mkdtemp(prefix="tiny_runs_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _write_data(folder / "examples", USERS)
    _write_data(folder / "bad_examples", [{**user, "user_activity": "frantic"} for user in USERS])
    (folder / "schema").mkdir()
    (folder / "schema" / "schema.pbtxt").write_text(SCHEMA)
    (folder / "model_run").mkdir()
    (folder / "model_run" / "history.json").write_text(json.dumps(HISTORY))
    save_lookup_model(folder / "good" / "Format-Serving", GOOD)
    save_lookup_model(folder / "worse" / "Format-Serving", WORSE, fault="twice")

    _run(folder, "good", examples="examples", model="good")
    _run(folder, "worse", examples="examples", model="worse")
    try:
        _run(folder, "bad_data", examples="bad_examples", model="good")
    except Exception as error:
        return TinyRuns(folder, error)
    raise AssertionError("data that does not fit the schema passed the gate")


def _write_data(folder: Path, users: list[Mapping[str, object]]) -> None:
    for split, rows in {"test": users, "catalog": CATALOG}.items():
        write_examples(folder / f"Split-{split}", rows)
    (folder / "data_report.json").write_text(json.dumps(DATA_REPORT))


def _run(folder: Path, name: str, examples: str, model: str) -> None:
    try:
        tfx.orchestration.LocalDagRunner().run(_pipeline(folder, examples, model))
    finally:
        (folder / f"metadata_{name}.sqlite").write_bytes((folder / "metadata.sqlite").read_bytes())


def imported(path: Path, of_type: type, **properties: object) -> tfx.dsl.Importer:
    """A component that passes what lies in `path` as an artifact of a type."""
    importer = tfx.dsl.Importer(source_uri=str(path), artifact_type=of_type, properties=properties or None)
    return importer.with_id(of_type.TYPE_NAME)


def _pipeline(folder: Path, examples: str, model: str) -> tfx.dsl.Pipeline:
    artifacts = tfx.types.standard_artifacts
    data = imported(folder / examples, artifacts.Examples, split_names='["test", "catalog"]')
    export = imported(folder / model, artifacts.Model)
    model_run = imported(folder / "model_run", artifacts.ModelRun)
    schema = tfx.components.ImportSchemaGen(schema_file=str(folder / "schema" / "schema.pbtxt"))
    statistics = tfx.components.StatisticsGen(examples=data.outputs["result"], exclude_splits=["catalog"])
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    gate = SchemaGate(anomalies=validator.outputs["anomalies"])
    blessed = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=artifacts.ModelBlessing),
    ).with_id("latest_blessed")
    evaluator = tfx.components.Evaluator(
        examples=data.outputs["result"],
        example_splits=["test"],
        model=export.outputs["result"],
        baseline_model=blessed.outputs["model"],
        eval_config=eval_config(
            EvaluationConfig(cutoffs=[10], min_ndcg=0.1, max_ndcg_drop=0.05, min_slice_users=1),
            slice_features=["user_activity", "target_genres"],
            candidates=4,
        ),
        module_path="modules.evaluator",
    )
    evaluator.add_upstream_node(gate)
    check = ServingCheck(model=export.outputs["result"], examples=data.outputs["result"])
    check.add_upstream_node(gate)
    pusher = tfx.components.Pusher(
        model=export.outputs["result"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=check.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(folder / "serving" / "corr"))
        ),
    )
    return tfx.dsl.Pipeline(
        pipeline_name=NAME,
        pipeline_root=str(folder / "root"),
        components=[
            data,
            export,
            model_run,
            schema,
            statistics,
            validator,
            gate,
            blessed,
            evaluator,
            check,
            pusher,
        ],  # fmt: skip
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(folder, "metadata.sqlite")
        ),
        beam_pipeline_args=["--direct_running_mode=in_memory", "--direct_num_workers=1"],
    )
