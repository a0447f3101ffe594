"""Numbers and durations as people read them, and the words the report and summary share."""

import math

from tfx_pipeline.report.contents import Model, RunFacts


def number(value: float | int | None) -> str:
    """Returns "1,234" or "0.1234"; an en dash where there is no number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, int) or (abs(value) >= 1000 and float(value).is_integer()):
        return f"{value:,.0f}"
    if 0 < abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"


def difference(value: float, reference: float) -> str:
    """Returns "+0.0123 (+12 %)"; the share is left out where the reference is 0 or no number."""
    if math.isnan(value) or math.isnan(reference):
        return "–"
    share = f" ({value / reference - 1:+.0%})".replace("%", " %") if reference else ""
    return f"{value - reference:+.4f}{share}"


def duration(seconds: float) -> str:
    """Returns "0.4 s", "12 s", "3 min 05 s" or "1 h 02 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def verdict(facts: RunFacts) -> str:
    """Returns the run's outcome in a few words."""
    if facts.failed:
        return f"Stopped at {', '.join(facts.failed)}"
    if not facts.models:
        return "No model was evaluated"
    if not facts.blessed:
        accepted = [model.name for model in facts.models if model.accepted]
        return f"Only {', '.join(accepted)} may be served" if accepted else "Not blessed"
    return "Blessed and pushed" if any(model.pushed_to for model in facts.models) else "Blessed"


def fate(model: Model) -> str:
    """Returns what became of a model, such as "blessed, pushed as version 17"."""
    if model.accepted:
        return f"blessed, pushed as version {model.version}" if model.pushed_to else "blessed, not pushed"
    return "not served, because"
