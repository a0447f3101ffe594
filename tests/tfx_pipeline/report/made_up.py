"""Facts of a run that never was, for what a tiny run does not show."""

import datetime
from typing import Any

from tfx_pipeline.report.contents import Evaluation, Gate, Metric, Model, RunFacts, Slice, Step


def metrics(two_stage: float, retriever: float, users: int = 100) -> dict[str, Metric]:
    """NDCG@10 of both stages."""
    return {
        "two_stage/ndcg@10": Metric(two_stage, 0.01, users),
        "retriever/ndcg@10": Metric(retriever, 0.01, users),
    }


def model(**changes: Any) -> Model:
    """A blessed and pushed model, but for `changes`."""
    evaluation = Evaluation(
        overall={
            **metrics(0.3, 0.25),
            "retriever/recall@100": Metric(0.7, 0.01, 100),
            "two_stage/recall@100": Metric(0.8, 0.01, 100),
        },
        slices=[
            Slice("user_activity", "5-9", metrics(0.2, 0.1)),
            Slice("user_activity", "100+", metrics(0.4, 0.3, 3)),
        ],
        changes={},
        gates=[Gate("two_stage/ndcg@10", "bound", 0.1, 0.3, passed=True)],
    )
    settings = {
        "name": "corr",
        "uri": "/models/1",
        "evaluation": evaluation,
        "blessed": True,
        "servable": True,
        "refusal": "",
        "pushed_to": "/serving/corr/17",
    }
    return Model(**{**settings, **changes})


def facts(**changes: Any) -> RunFacts:
    """A run that ended well, but for `changes`."""
    settings = {
        "pipeline": "p",
        "run": "r",
        "started": datetime.datetime(2024, 5, 6, 7, 8),
        "steps": [Step("Trainer", "run", 65.0), Step("Transform", "cached", 0.02)],
        "models": [model()],
    }
    return RunFacts(**{**settings, **changes})
