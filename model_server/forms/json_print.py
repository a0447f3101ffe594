"""Writes JSON as TF Serving does: as RapidJSON's pretty writer, decimals with few digits."""

import base64
import decimal
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from model_server.forms.json_parse import JsonObject

INDENT = "    "

_MUST_ESCAPE = re.compile(r'["\\\x00-\x1f]')
_ESCAPED = {chr(code): f"\\u{code:04X}" for code in range(0x20)} | {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
# Digits that tell any two numbers of a type apart.
_ROUND_TRIP_DIGITS = {np.dtype(np.float32): 9, np.dtype(np.float64): 17}


def quote(text: str) -> str:
    """Returns `text` as a JSON string; only what must be escaped is."""
    return f'"{_MUST_ESCAPE.sub(lambda match: _ESCAPED[match[0]], text)}"'


def to_bytes(text: str) -> bytes:
    """Returns the UTF-8 bytes of `text`; bytes that came in as surrogate escapes are unchanged."""
    return text.encode("utf-8", "surrogateescape")


def to_text(data: bytes) -> str:
    """Returns `data` as text, with surrogate escapes where it is not UTF-8."""
    return data.decode("utf-8", "surrogateescape")


def decimals(values: np.ndarray) -> list[str]:
    """Returns the text of each number of a flat float32 or float64 array.

    Six significant digits where those read back as the same number, else 9 (float32) or 17
    (float64); whole numbers end in ".0" so that a reader can tell the type.
    """
    texts = _formatted(values, "%g")
    with np.errstate(over="ignore"):
        read_back = np.array([float(text) for text in texts], np.float64).astype(values.dtype)
    inexact = np.flatnonzero(read_back != values)
    precise = _formatted(values[inexact], f"%.{_ROUND_TRIP_DIGITS[values.dtype]}g")
    for index, text in zip(inexact.tolist(), precise, strict=True):
        texts[index] = text
    return [_NOT_FINITE.get(text) or _with_point(text) for text in texts]


def leaves(values: np.ndarray, as_bytes: bool, level: int) -> list[str] | None:
    """Returns the text of each element of a flat array, or None where its type has no JSON form.

    Args:
      values: the elements, [n].
      as_bytes: writes strings as {"b64": ...} objects.
      level: how many arrays and objects enclose an element; only objects depend on it.
    """
    kind = values.dtype.kind
    if values.dtype in _ROUND_TRIP_DIGITS:
        return decimals(values)
    # TF Serving has no JSON form for uint16.
    if kind in "iu" and values.dtype != np.uint16:
        return [str(value) for value in values.tolist()]
    if kind == "b":
        return ["true" if value else "false" for value in values.tolist()]
    if kind != "O":
        return None
    if not as_bytes:
        return _quoted(values.tolist())
    outer, inner = INDENT * level, INDENT * (level + 1)
    return [f'{{\n{inner}"b64": "{base64.b64encode(value).decode()}"\n{outer}}}' for value in values]


def one_line(texts: Sequence[str], shape: Sequence[int]) -> list[str]:
    """Returns nested arrays on one line.

    Args:
      texts: the elements, in row-major order.
      shape: [n, ...]; the first dimension is left as the returned list.
    """
    texts = list(texts)
    for axis in range(len(shape) - 1, 0, -1):
        texts = [f"[{', '.join(row)}]" for row in _rows(texts, shape, axis)]
    return texts


def many_lines(texts: Sequence[str], shape: Sequence[int], level: int) -> str:
    """Returns nested arrays with every element on its own line.

    Args:
      texts: the elements, in row-major order.
      shape: the tensor's shape; [] is a single element.
      level: how many arrays and objects enclose the outermost array.
    """
    texts = list(texts)
    for axis in range(len(shape) - 1, -1, -1):
        texts = [array(row, level + axis) for row in _rows(texts, shape, axis)]
    return texts[0]


def array(items: Iterable[str], level: int) -> str:
    """Returns an array of printed items, one a line; `level` as in `many_lines`."""
    return _block("[", items, "]", level)


def members(pairs: Iterable[tuple[str, str]], level: int) -> str:
    """Returns an object of (name, printed value) pairs, one a line; `level` as in `many_lines`."""
    return _block("{", [f"{quote(name)}: {value}" for name, value in pairs], "}", level)


def pretty(value: Any) -> str:
    """Returns a parsed JSON value as TF Serving quotes it in its messages."""
    if isinstance(value, float):
        fits_float = abs(value) <= float(np.finfo(np.float32).max)
        return decimals(np.array([value], np.float32 if fits_float else np.float64))[0]
    return _pretty(value, 0)


def _with_point(text: str) -> str:
    return text if "." in text or "e" in text else f"{text}.0"


def _formatted(values: np.ndarray, form: str) -> list[str]:
    # One format for all of them is twice as fast as one each.
    return (f"{form} " * len(values) % tuple(values.tolist())).split()


def _quoted(values: list[bytes]) -> list[str]:
    # Text that needs escapes is rare, so look for it once in all of them.
    if _MUST_ESCAPE.search(to_text(b"".join(values))):
        return [quote(to_text(value)) for value in values]
    return [f'"{to_text(value)}"' for value in values]


def _rows(texts: list[str], shape: Sequence[int], axis: int) -> list[list[str]]:
    size = shape[axis]
    return [texts[row * size : (row + 1) * size] for row in range(math.prod(shape[:axis]))]


def _block(opening: str, items: Iterable[str], closing: str, level: int) -> str:
    inner = "\n" + INDENT * (level + 1)
    text = f",{inner}".join(items)
    return f"{opening}{inner}{text}\n{INDENT * level}{closing}" if text else opening + closing


def _pretty(value: Any, level: int) -> str:
    if isinstance(value, dict):
        pairs = value.pairs if isinstance(value, JsonObject) else value.items()
        return members([(name, _pretty(member, level + 1)) for name, member in pairs], level)
    if isinstance(value, list):
        return array([_pretty(item, level + 1) for item in value], level)
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _double(value: float) -> str:
    """RapidJSON's form of a double: plain up to 21 digits, else with an exponent."""
    if not math.isfinite(value):
        return _NOT_FINITE[str(value)]
    sign, digit_tuple, exponent = decimal.Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, digit_tuple))
    point = len(digits) + exponent
    if digits == "0":
        text = "0.0"
    elif exponent >= 0 and point <= 21:
        text = f"{digits}{'0' * exponent}.0"
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        text = f"{digits[0]}{fraction}e{point - 1}"
    return f"-{text}" if sign else text
