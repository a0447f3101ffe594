"""The report as one HTML file that needs no network."""

import os
from typing import Any

import jinja2

from modules.atomic_files import write_atomically
from modules.metrics.user_mean import USERS
from tfx_pipeline.evaluation import CASCADE_LOSS, HEADLINE_K, METRICS, metric_name
from tfx_pipeline.report import plots, texts
from tfx_pipeline.report.contents import Evaluation, Metric, RunFacts

_NONE = Metric(float("nan"))
_TEMPLATE = "report.html.j2"


def render(facts: RunFacts, min_slice_users: int = 10) -> str:
    """Renders the report.

    Args:
      facts: of a run, complete or not.
      min_slice_users: slices of fewer users are left out of the plots.

    Returns:
      The HTML page, styles and figures within; everything that stems from data is escaped.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tfx_pipeline.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=texts.number,
        duration=texts.duration,
        label=_label,
        is_mapping=lambda v: isinstance(v, dict),
    )
    primary = facts.models[0].evaluation if facts.models else None
    return environment.get_template(_TEMPLATE).render(
        facts=facts,
        verdict=texts.verdict(facts),
        tables={model.name: comparison(model.evaluation) for model in facts.models},
        cards=_cards(primary) if primary else [],
        stage_figures=plots.stages_by_cutoff(primary) if primary else [],
        slice_figures=plots.slices(primary, min_slice_users) if primary else [],
        training_figures=plots.training_curves(facts.history),
        min_slice_users=min_slice_users,
        headline_k=HEADLINE_K,
    )


def write(facts: RunFacts, path: str, min_slice_users: int = 10) -> None:
    """Writes the report; a reader of `path` sees the old one or the new one, never half of one."""
    page = render(facts, min_slice_users)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    write_atomically(path, page)


def comparison(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Returns the rows of the table retriever alone against two stages, a row a metric and cutoff.

    Args:
      evaluation: of one model.

    Returns:
      Rows of `label`, `retriever` and `two_stage` (`Metric`s; NaN where not measured), `difference`
      (text), and `change` (text; of the two stages against the last blessed model, empty where
      there was none).
    """
    rows = []
    for metric in METRICS:
        bounds = _bounds(evaluation) if metric == "recall" else set()
        cutoffs = {k for stage in plots.STAGES for k in plots.cutoffs_of(evaluation, stage, metric)}
        for k in sorted(cutoffs):
            retriever, two_stage = (
                evaluation.overall.get(metric_name(stage, metric, k), _NONE) for stage in plots.STAGES
            )
            change = evaluation.changes.get(metric_name("two_stage", metric, k))
            rows.append(
                {
                    "label": f"{_label(metric)}@{k}",
                    "headline": k == HEADLINE_K or k in bounds,
                    "retriever": retriever,
                    "two_stage": two_stage,
                    "difference": texts.difference(two_stage.value, retriever.value),
                    "change": "" if change is None else f"{change:+.4f}",
                }
            )
    return rows


def _cards(evaluation: Evaluation) -> list[dict[str, str]]:
    """The few numbers that stand at the top of the page."""
    cards = []
    for metric in METRICS:
        retriever, two_stage = (
            evaluation.overall.get(metric_name(stage, metric, HEADLINE_K), _NONE) for stage in plots.STAGES
        )
        difference = texts.difference(two_stage.value, retriever.value)
        cards.append(
            {
                "label": f"{_label(metric)}@{HEADLINE_K}, two stages",
                "value": texts.number(two_stage.value),
                "note": f"{difference} over the retriever alone",
            }
        )
    for bound in _bounds(evaluation):
        alone = texts.number(evaluation.overall[metric_name("retriever", "recall", bound)].value)
        cards.append(
            {
                "label": f"Recall@{bound}, candidates",
                "value": texts.number(evaluation.overall[metric_name("two_stage", "recall", bound)].value),
                "note": f"what the ranker can reach at most; {alone} by the retriever alone",
            }
        )
    popularity = evaluation.overall.get(metric_name("popularity", "ndcg", HEADLINE_K))
    if popularity is not None:
        cards.append(
            {
                "label": f"NDCG@{HEADLINE_K}, most popular",
                "value": texts.number(popularity.value),
                "note": "the same list for everyone, what they know left out",
            }
        )
    if CASCADE_LOSS in evaluation.overall:
        loss = evaluation.overall[CASCADE_LOSS]
        cards.append(
            {
                "label": f"NDCG@{HEADLINE_K} lost to the cascade",
                "value": texts.number(loss.value),
                "note": f"against ranking the whole corpus, {loss.users:,} {USERS}",
            }
        )
    return cards


def _bounds(evaluation: Evaluation) -> set[int]:
    """Returns how many candidates there are, which nothing but recall is measured at; empty where that is a cutoff."""
    recall, ndcg = (set(plots.cutoffs_of(evaluation, "two_stage", metric)) for metric in ("recall", "ndcg"))
    return recall - ndcg


def _label(key: str) -> str:
    return {"recall": "Recall", "ndcg": "NDCG", "mrr": "MRR"}.get(key, str(key).replace("_", " "))
