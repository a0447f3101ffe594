"""Classify and regress requests and answers as protobuf messages."""

from collections.abc import Sequence

from tensorflow_serving.apis import classification_pb2, input_pb2, regression_pb2

from model_server.errors import invalid_argument


def serialized(value: input_pb2.Input) -> list[bytes]:
    """Returns the serialized tf.Examples of an input; the context, if any, is part of each.

    Raises:
      ServingError: INVALID_ARGUMENT where there is none.
    """
    kind = value.WhichOneof("kind")
    examples = getattr(value, kind).examples if kind else ()
    if not examples:
        raise invalid_argument("Input is empty.")
    # Joined messages are merged when they are parsed, and what comes later wins.
    context = value.example_list_with_context.context.SerializeToString()
    return [context + example.SerializeToString() for example in examples]


def fill_classifications(
    results: Sequence[Sequence[tuple[bytes, float]]], into: classification_pb2.ClassificationResult
) -> None:
    """Writes the classes of each example into an empty message.

    Raises:
      ServingError: INVALID_ARGUMENT where a label is not UTF-8: the message cannot hold it.
    """
    for classes in results:
        item = into.classifications.add()
        for label, score in classes:
            try:
                item.classes.add(label=label.decode(), score=score)
            except UnicodeDecodeError:
                raise invalid_argument(f"Labels must be UTF-8. Received: {label!r}") from None


def fill_regressions(values: Sequence[float], into: regression_pb2.RegressionResult) -> None:
    """Writes the number of each example into an empty message."""
    for value in values:
        into.regressions.add(value=value)
