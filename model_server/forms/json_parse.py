"""Reads JSON as RapidJSON does (NaN and Infinity allowed), with its error texts and byte offsets.

Requests are almost always well formed, so the standard library's parser, written in C, reads them
first. Where it refuses, or where the two may differ, the parser below decides.
"""

import json
import math
import re
from typing import Any, NoReturn

from model_server.errors import ServingError, invalid_argument

# The deepest nesting that is read; a tensor has at most 32 dimensions, so nothing is lost.
MAX_DEPTH = 200

_BIG_EXPONENTS = (b"e000", b"E000", b"e+000", b"E+000")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_WHITESPACE = re.compile(r"[ \n\r\t]*")
_PLAIN_TEXT = re.compile(r'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(r"[0-9]*")
_HEX4 = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_BYTE_ORDER_MARK = "\xef\xbb\xbf"
_END = "\0"


class JsonObject(dict):
    """A JSON object that repeats a key: look-ups find the first, `pairs` has them all.

    Args:
      pairs: the members in the order of the text.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(reversed(pairs))
        self.pairs = pairs


def parse(body: bytes) -> Any:
    """Returns the value of a JSON document.

    Bytes that are not UTF-8 inside a string are kept, as surrogate escapes.

    Raises:
      ServingError: INVALID_ARGUMENT, naming the fault and its offset in bytes.
    """
    if not body:
        raise _error("The document is empty")
    if not _is_delicate(body):
        try:
            return json.loads(body.decode("utf-8", "surrogateescape"), object_pairs_hook=_make_object)
        except (ValueError, RecursionError):
            pass
    return _Parser(body.decode("latin-1")).document()


def _is_delicate(body: bytes) -> bool:
    """Tells whether the standard parser may take what RapidJSON refuses or reads otherwise.

    That is: exponents that may overflow a double, integers that may not fit 64 bits, and escaped
    surrogates, which must come in pairs.
    """
    zeros = body.translate(_DIGITS_TO_ZERO)
    return b"0" * 20 in zeros or any(text in zeros for text in _BIG_EXPONENTS) or bool(_SURROGATE.search(body))


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else JsonObject(pairs)


def _error(text: str) -> ServingError:
    return invalid_argument(f"JSON Parse error: {text}")


class _Parser:
    """Recursive descent over text of one character a byte, so that positions are byte offsets."""

    def __init__(self, text: str) -> None:
        self._text = text + _END
        self._at = len(_BYTE_ORDER_MARK) if text.startswith(_BYTE_ORDER_MARK) else 0
        self._depth = 0

    def document(self) -> Any:
        self._skip_whitespace()
        if self._peek() == _END:
            self._fail("The document is empty.")
        value = self._value()
        self._skip_whitespace()
        if self._peek() != _END:
            self._fail("The document root must not be followed by other values.")
        return value

    def _peek(self) -> str:
        return self._text[self._at]

    def _take(self, character: str) -> bool:
        if self._text[self._at] != character:
            return False
        self._at += 1
        return True

    def _take_word(self, word: str) -> bool:
        return all(self._take(character) for character in word)

    def _skip_whitespace(self) -> None:
        self._at = _WHITESPACE.match(self._text, self._at).end()

    def _fail(self, what: str, at: int | None = None) -> NoReturn:
        raise _error(f"{what} at offset: {self._at if at is None else at}")

    def _value(self) -> Any:
        match self._peek():
            case "{":
                return self._nested(self._object)
            case "[":
                return self._nested(self._array)
            case '"':
                return self._string()
            case "n":
                return self._literal("null", None)
            case "t":
                return self._literal("true", True)
            case "f":
                return self._literal("false", False)
        return self._number()

    def _nested(self, read: Any) -> Any:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"Nesting must be at most {MAX_DEPTH} deep.")
        value = read()
        self._depth -= 1
        return value

    def _literal(self, word: str, value: Any) -> Any:
        if not self._take_word(word):
            self._fail("Invalid value.")
        return value

    def _object(self) -> dict[str, Any]:
        self._take("{")
        pairs = []
        self._skip_whitespace()
        if self._take("}"):
            return {}
        while True:
            if self._peek() != '"':
                self._fail("Missing a name for object member.")
            name = self._string()
            self._skip_whitespace()
            if not self._take(":"):
                self._fail("Missing a colon after a name of object member.")
            self._skip_whitespace()
            pairs.append((name, self._value()))
            self._skip_whitespace()
            if self._take("}"):
                return _make_object(pairs)
            if not self._take(","):
                self._fail("Missing a comma or '}' after an object member.")
            self._skip_whitespace()

    def _array(self) -> list[Any]:
        self._take("[")
        values: list[Any] = []
        self._skip_whitespace()
        if self._take("]"):
            return values
        while True:
            values.append(self._value())
            self._skip_whitespace()
            if self._take("]"):
                return values
            if not self._take(","):
                self._fail("Missing a comma or ']' after an array element.")
            self._skip_whitespace()

    def _string(self) -> str:
        self._take('"')
        parts = []
        while True:
            plain = _PLAIN_TEXT.match(self._text, self._at)
            self._at = plain.end()
            parts.append(plain[0].encode("latin-1").decode("utf-8", "surrogateescape"))
            if self._take('"'):
                return "".join(parts)
            if self._peek() == "\\":
                parts.append(self._escape())
            elif self._peek() == _END:
                self._fail("Missing a closing quotation mark in string.")
            else:
                self._fail("Invalid encoding in string.")

    def _escape(self) -> str:
        start = self._at
        self._take("\\")
        character = self._peek()
        if character in _ESCAPES:
            self._at += 1
            return _ESCAPES[character]
        if not self._take("u"):
            self._fail("Invalid escape character in string.", start)
        code = self._hex4(start)
        if not 0xD800 <= code <= 0xDFFF:
            return chr(code)
        low = 0
        if code <= 0xDBFF and self._take_word("\\u"):
            low = self._hex4(start)
        if not 0xDC00 <= low <= 0xDFFF:
            self._fail("The surrogate pair in string is invalid.", start)
        return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))

    def _hex4(self, escape_start: int) -> int:
        digits = _HEX4.match(self._text, self._at)
        if digits is None:
            self._fail("Incorrect hex digit after \\u escape in string.", escape_start)
        self._at = digits.end()
        return int(digits[0], 16)

    def _number(self) -> int | float:
        start = self._at
        negative = self._take("-")
        if self._peek() in "NI":
            return self._nan_or_infinity(negative)
        if not self._take("0") and not self._take_digits():
            self._fail("Invalid value.")
        whole = True
        if self._take("."):
            whole = False
            if not self._take_digits():
                self._fail("Miss fraction part in number.")
        if self._take("e") or self._take("E"):
            whole = False
            self._take("+") or self._take("-")
            if not self._take_digits():
                self._fail("Miss exponent in number.")
        text = self._text[start : self._at]
        # Twenty digits hold any 64-bit integer; longer ones become doubles, as in RapidJSON.
        if whole and len(text) <= 20 and -(2**63) <= int(text) < 2**64:
            return int(text)
        number = float(text)
        if math.isinf(number):
            self._fail("Number too big to be stored in double.", start)
        return number

    def _take_digits(self) -> bool:
        start = self._at
        self._at = _DIGITS.match(self._text, start).end()
        return self._at > start

    def _nan_or_infinity(self, negative: bool) -> float:
        if self._take("N"):
            number = math.nan if self._take_word("aN") else None
        else:
            number = math.inf if self._take_word("Inf") else None
            if number and self._peek() == "i" and not self._take_word("inity"):
                number = None
        if number is None:
            self._fail("Invalid value.")
        return -number if negative else number
