"""What the terminal shows when a run has ended."""

from tfx_pipeline.evaluation import CASCADE_LOSS, HEADLINE_K, metric_name
from tfx_pipeline.report import texts
from tfx_pipeline.report.contents import RunFacts
from tfx_pipeline.report.render import comparison


def summary(facts: RunFacts, report_path: str = "") -> str:
    """Returns the outcome in a dozen lines, from the metrics to the command to type next.

    Args:
      facts: of a run, complete or not.
      report_path: where the report was written; left out when empty.
    """
    lines = [f"{facts.pipeline}: {texts.verdict(facts)} ({texts.duration(facts.seconds)})", ""]
    lines += [f"  {a.split} / {a.feature}: {a.summary}. {a.description}" for a in facts.all_anomalies]
    if facts.models:
        lines += _metrics(facts)
        width = max(len(model.name) for model in facts.models)
        for model in facts.models:
            lines.append(f"  {model.name:{width}}  {texts.fate(model)}")
            lines += ["    - " + reason.replace("\n", "\n      ") for reason in model.reasons]
    lines += [f"  not in the report: {note}" for note in facts.notes]
    lines.append("")
    if report_path:
        lines.append(f"  Report  {report_path}")
    lines.append(f"  Next    {_next_step(facts)}")
    return "\n".join(lines)


def _metrics(facts: RunFacts) -> list[str]:
    """The headline metrics of the first model; exports of one training differ in their index."""
    evaluation = facts.models[0].evaluation
    users = max((metric.users for metric in evaluation.overall.values()), default=0)
    lines = [f"  {f'test, {users:,} users':20}{'retriever':>10}{'two stages':>12}  difference"]
    for row in comparison(evaluation):
        retriever, two_stage = row["retriever"].value, row["two_stage"].value
        if row["headline"]:
            values = f"{texts.number(retriever):>10}{texts.number(two_stage):>12}"
            lines.append(f"  {row['label']:20}{values}  {row['difference']}")
    popularity = evaluation.overall.get(metric_name("popularity", "ndcg", HEADLINE_K))
    if popularity is not None:
        lines.append(f"  {texts.number(popularity.value)} is the NDCG@{HEADLINE_K} of the most popular items")
    if CASCADE_LOSS in evaluation.overall:
        loss = texts.number(evaluation.overall[CASCADE_LOSS].value)
        lines.append(f"  {loss} of NDCG@{HEADLINE_K} is lost against ranking the whole corpus")
    return [*lines, ""]


def _next_step(facts: RunFacts) -> str:
    if facts.failed:
        return f"put right what stopped {facts.failed[0]} and run again; what went before is reused"
    if any(model.pushed_to for model in facts.models):
        return "make serve"
    return "see the report for why no model was pushed"
