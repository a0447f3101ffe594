"""Reads files in protobuf's text format."""

from typing import TypeVar

import tensorflow as tf
from google.protobuf import message, text_format

_Message = TypeVar("_Message", bound=message.Message)


def read_text_proto(flag: str, path: str, into: _Message, type_name: str) -> _Message:
    """Returns `into`, filled from the text proto in file `path`.

    Args:
      flag: the option that names the file, for the error.
      path: of the file.
      into: an empty message.
      type_name: what its type is called in TF Serving.

    Raises:
      ValueError: where the file is missing or is not such a message.
    """
    try:
        with tf.io.gfile.GFile(path) as file:
            return text_format.Parse(file.read(), into)
    except (tf.errors.OpError, text_format.ParseError, UnicodeDecodeError) as error:
        raise ValueError(f"`{flag}` must be a text proto of type {type_name}. Received: {path!r}: {error}") from error
