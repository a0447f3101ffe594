"""Asks a SavedModel for recommendations as a server would, knowing nothing of this project.

A program, not a module: `serving_check` runs it by its path, isolated, so that a model which leans
on the code that made it fails here and not in production. It prints what is wrong, and its exit
status tells whether anything is.
"""

import argparse
import ctypes
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence

SIGNATURES = ("serving_default", "retrieve")
UNKNOWN_USER = "a user nobody has ever seen"
UNKNOWN_ITEM = "an item nobody has ever seen"


def requests(users: Sequence[dict]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yields (what is tried, user ids, padded histories), the histories oldest first."""
    ids = [user["user_id"] for user in users]
    histories = [user["history"] for user in users]
    width = max(map(len, histories), default=0)
    yield "test users", ids, [history + [""] * (width - len(history)) for history in histories]
    yield "an unknown user", [UNKNOWN_USER], [histories[0] if histories else []]
    yield (
        "unknown items in the history",
        ids[:1] or [UNKNOWN_USER],
        [[UNKNOWN_ITEM, *(histories or [[]])[0]]],
    )
    yield "an empty history", ids[:1] or [UNKNOWN_USER], [[]]
    yield "a history of padding", ids[:1] or [UNKNOWN_USER], [[""] * max(width, 1)]
    yield "an unknown user without a history", [UNKNOWN_USER], [[]]


def problems(items: Sequence[str], scores: Sequence[float], history: Sequence[str]) -> Iterator[str]:
    """Yields what is wrong with one answer; "" at its end is padding."""
    answered = [item for item in items if item]
    if not answered:
        yield "no item is recommended"
    if any(items[len(answered) :]):
        yield 'padding ("") stands before an item'
    if len(set(answered)) < len(answered):
        yield f"an item is recommended twice: {answered}"
    seen = set(answered) & (set(history) - {""})
    if seen:
        yield f"items of the history are recommended again: {sorted(seen)}"
    scores = list(scores[: len(answered)])
    if any(score != score or abs(score) == float("inf") for score in scores):
        yield f"a score is not finite: {scores}"
    elif scores != sorted(scores, reverse=True):
        yield f"the scores do not descend: {scores}"


def probe(model_path: str, users: Sequence[dict]) -> list[str]:
    """Returns everything wrong with the answers of the model's signatures `serving_default` and, if any, `retrieve`."""
    import tensorflow as tf

    try:
        model = tf.saved_model.load(model_path)
    except Exception as error:
        return [f"the SavedModel cannot be loaded: {type(error).__name__}: {error}"]
    default, *others = SIGNATURES
    if default not in model.signatures:
        return [f"there is no signature {default}, only {sorted(model.signatures)}"]
    found = list(_wrong_answers(model.signatures[default], users))
    for name in others:
        if name in model.signatures:
            found += [f"{name}: {problem}" for problem in _wrong_answers(model.signatures[name], users)]
    return found


def _wrong_answers(signature: Callable, users: Sequence[dict]) -> Iterator[str]:
    import tensorflow as tf

    for what, ids, histories in requests(users):
        history = tf.reshape(tf.constant(histories, tf.string), [len(ids), -1 if histories[0] else 0])
        try:
            answer = signature(user_id=tf.constant(ids), history=history)
            items, scores = answer["item_id"].numpy(), answer["score"].numpy()
        except Exception as error:
            yield f"{what}: {type(error).__name__}: {error}"
            continue
        if items.ndim != 2 or items.shape[0] != len(ids) or items.shape != scores.shape:
            yield (
                f"{what}: item_id and score must both be of shape [{len(ids)}, K], not {items.shape} and {scores.shape}"
            )
            continue
        for user, history_of_user, row, row_scores in zip(ids, histories, items, scores, strict=True):
            decoded = [item.decode() for item in row]
            for problem in problems(decoded, row_scores.tolist(), history_of_user):
                yield f"{what} ({user}): {problem}"


def end_with_parent() -> None:
    """Has the kernel end this process when the one that started it is killed; Linux only."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 where every answer is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder of the SavedModel")
    parser.add_argument(
        "--users",
        required=True,
        help='JSON file: [{"user_id": "...", "history": ["...", ...]}, ...]',
    )
    parser.add_argument("--allow-scann", action="store_true", help="register ScaNN's operations before loading")
    args = parser.parse_args(argv)
    if args.allow_scann:
        import scann  # noqa: F401
    else:
        # A None entry makes every import of it, whoever tries, an ImportError.
        sys.modules["scann"] = None  # type: ignore[assignment]
    with open(args.users, encoding="utf-8") as file:
        users = json.load(file)
    found = probe(args.model, users)
    print("\n".join(found[:20] + ([f"... and {len(found) - 20} more"] if len(found) > 20 else [])))
    return int(bool(found))


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main())
