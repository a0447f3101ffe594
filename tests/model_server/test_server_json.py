"""JSON in and out: faults and their offsets, types and shapes, and how numbers are written."""

import base64
import json
import math
import random

import numpy as np
import pytest
import tensorflow as tf

from model_server.errors import ServingError
from model_server.forms import json_forms, json_parse, json_print, json_tensor
from model_server.forms.json_forms import Form

MAX = 2**63 - 1


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        # The offset is that of the byte the reader stood at.
        (b"", "The document is empty"),
        (b" \n", "The document is empty. at offset: 2"),
        (b"{} {}", "The document root must not be followed by other values. at offset: 3"),
        (b"{1:2}", "Missing a name for object member. at offset: 1"),
        (b'{"a":1,}', "Missing a name for object member. at offset: 7"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b'{"a":1 "b"', "Missing a comma or '}' after an object member. at offset: 7"),
        (b"[1 2]", "Missing a comma or ']' after an array element. at offset: 3"),
        (b"[01]", "Missing a comma or ']' after an array element. at offset: 2"),
        (b"[nul]", "Invalid value. at offset: 4"),
        (b"[Nope]", "Invalid value. at offset: 2"),
        (b"[-]", "Invalid value. at offset: 2"),
        (b"[+1]", "Invalid value. at offset: 1"),
        (b"[Infini]", "Invalid value. at offset: 7"),
        (b"[1.]", "Miss fraction part in number. at offset: 3"),
        (b"[1e+]", "Miss exponent in number. at offset: 4"),
        (b"[-1e999]", "Number too big to be stored in double. at offset: 1"),
        (b'["a', "Missing a closing quotation mark in string. at offset: 3"),
        (b'["a\n"]', "Invalid encoding in string. at offset: 3"),
        (b'["\xc3\xa9\\x"]', "Invalid escape character in string. at offset: 4"),
        (b'["\\u12x4"]', "Incorrect hex digit after \\u escape in string. at offset: 2"),
        (b'["\\ud83d"]', "The surrogate pair in string is invalid. at offset: 2"),
        (b'["\\ude00"]', "The surrogate pair in string is invalid. at offset: 2"),
        (b'["\\ud83d\\u0041"]', "The surrogate pair in string is invalid. at offset: 2"),
        (b"[" * 300, "Nesting must be at most 200 deep. at offset: 200"),
        (b"[" * 100_000, "Nesting must be at most 200 deep. at offset: 200"),
    ],
)
def test_faults(body: bytes, fault: str):
    with pytest.raises(ServingError) as error:
        json_parse.parse(body)
    assert error.value.message == f"JSON Parse error: {fault}"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"\xef\xbb\xbf[1]", [1]),
        (b'["\\ud83d\\ude00"]', ["\U0001f600"]),
        (b'["\xff"]', ["\udcff"]),
        (b"[Inf, -Infinity, Infinity, -Inf]", [math.inf, -math.inf, math.inf, -math.inf]),
        (b"[1e300, 1E-999]", [1e300, 0.0]),
        (b"[18446744073709551615, -9223372036854775808]", [2**64 - 1, -(2**63)]),
        # What does not fit 64 bits is a double.
        (b"[18446744073709551616]", [18446744073709551616.0]),
        (b"[1]\0[", [1]),
    ],
)
def test_values_only_the_careful_reader_takes(body: bytes, value: list):
    found = json_parse.parse(body)
    assert found == value
    assert [type(item) for item in found] == [type(item) for item in value]


def test_both_readers_agree():
    random.seed(1)

    def value(depth: int):
        kinds = [None, True, False, random.randint(-MAX, MAX), random.uniform(-1, 1) * 1e20]
        kinds += ["".join(random.choices('aé漢"\\/\n\t\x01 ', k=5)), 0.1, -0.0, 1e-7]
        if depth:
            kinds += [[value(depth - 1) for _ in range(random.randrange(4))] for _ in range(3)]
            kinds += [{str(i): value(depth - 1) for i in range(random.randrange(4))} for _ in range(3)]
        return random.choice(kinds)

    for _ in range(100):
        document = [value(3)]
        body = json.dumps(document, ensure_ascii=random.random() < 0.5).encode()
        careful = json_parse._Parser(body.decode("latin-1")).document()
        assert json_parse.parse(body) == careful == document


def test_first_of_a_repeated_name_counts_and_all_are_quoted():
    document = json_parse.parse(b'{"a": 1, "b": [], "a": {}}')
    assert document["a"] == 1
    assert json_print.pretty(document) == '{\n    "a": 1,\n    "b": [],\n    "a": {}\n}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (1e20, "100000000000000000000.0"),
        (1e21, "1e21"),
        (1.25e22, "1.25e22"),
        (0.001234, "0.001234"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (123.456, "123.456"),
        (math.nan, "NaN"),
        (True, "true"),
        (1, "1"),
        (None, "null"),
        ("\x1f\x7f/é", '"\\u001F\x7f/é"'),
    ],
)
def test_quoted_values(value, text: str):
    assert json_print.pretty([value]) == f"[\n    {text}\n]"


@pytest.mark.parametrize(
    ("dtype", "values", "texts"),
    [
        (np.float32, [0.5, 2, -0.0, 1e6, 1e-5], ["0.5", "2.0", "-0.0", "1e+06", "1e-05"]),
        # 2/3 needs nine digits as a float, and 17 as a double; 0.1 needs one as either.
        (np.float32, [2 / 3, 0.1, 1234567], ["0.666666687", "0.1", "1234567.0"]),
        (np.float64, [2 / 3, 0.1], ["0.66666666666666663", "0.1"]),
        (np.float32, [math.nan, math.inf, -math.inf], ["NaN", "Infinity", "-Infinity"]),
        (np.float32, [], []),
    ],
)
def test_decimals(dtype: type, values: list[float], texts: list[str]):
    assert json_print.decimals(np.array(values, dtype)) == texts


def test_decimals_read_back_as_the_same_floats():
    bits = np.random.default_rng(3).integers(0, 2**32, 20_000, np.uint32)
    floats = bits.view(np.float32)
    floats = floats[np.isfinite(floats)]
    texts = json_print.decimals(floats)
    np.testing.assert_array_equal(np.array([np.float32(text) for text in texts]), floats)


@pytest.mark.parametrize(
    ("dtype", "value", "array"),
    [
        (tf.float32, [[1, 2.5], [3, -0.0]], np.float32([[1, 2.5], [3, -0.0]])),
        (tf.float32, 1e39, np.float32(np.inf)),
        (tf.float64, [], np.zeros([0], np.float64)),
        (tf.float32, [[], []], np.zeros([2, 0], np.float32)),
        (tf.int64, [MAX, -MAX - 1], np.int64([MAX, -MAX - 1])),
        (tf.uint64, [2**64 - 1], np.uint64([2**64 - 1])),
        (tf.uint8, [255, 256], np.uint8([255, 0])),
        (tf.bool, [[True], [False]], np.array([[True], [False]])),
        (tf.string, ["é", {"b64": "/w"}], np.array(["é".encode(), b"\xff"], object)),
        (tf.string, [{"b64": " aGk= "}], np.array([b"hi"], object)),
    ],
)
def test_tensor(dtype: tf.DType, value, array: np.ndarray):
    found = json_tensor.tensor(value, dtype)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("dtype", "value", "fault"),
    [
        (tf.int32, 2**31, "JSON Value: 2147483648 Type: Number is not of expected type: int32"),
        (tf.int64, 1.0, "JSON Value: 1.0 Type: Number is not of expected type: int64"),
        (tf.uint32, -1, "JSON Value: -1 Type: Number is not of expected type: uint32"),
        (tf.bool, 1, "JSON Value: 1 Type: Number is not of expected type: bool"),
        (tf.float32, [1.0, None], "JSON Value: null Type: Null is not of expected type: float"),
        (tf.float64, "1", 'JSON Value: "1" Type: String is not of expected type: double'),
        (
            tf.float32,
            [[1.0], 2.0],
            "JSON Value: 2.0 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        (tf.float32, [1.0, [2.0]], "Encountered list at unexpected level: 1 expected < 1"),
        (
            tf.float32,
            [[1.0], [1.0, 2.0]],
            "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
        ),
        (tf.string, {"b64": "a"}, "Unable to base64 decode"),
        (tf.string, {"b64": "a-_="}, "Unable to base64 decode"),
        (tf.float16, 1.0, "Conversion of JSON Value: 1.0 to type: half"),
    ],
)
def test_tensor_faults(dtype: tf.DType, value, fault: str):
    with pytest.raises(ServingError) as error:
        json_tensor.tensor(value, dtype)
    assert error.value.message == fault


def decode(request: str, **inputs: tf.DType) -> json_forms.PredictInputs:
    return json_forms.decode_predict(json_forms.parse_object(request.encode()), inputs)


def test_rows_become_a_batch():
    rows = '{"instances": [{"a": [1, 2], "b": "x"}, {"b": "y", "a": [3, 4]}]}'
    form, tensors = decode(rows, a=tf.int64, b=tf.string)
    assert form is Form.ROW
    np.testing.assert_array_equal(tensors["a"], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(tensors["b"], np.array([b"x", b"y"], object))


@pytest.mark.parametrize(
    ("request_text", "inputs", "fault"),
    [
        ("{}", {"a": tf.int64}, "Missing 'inputs' or 'instances' key"),
        (
            '{"instances": [{"a": 1}, 2]}',
            {"a": tf.int64},
            "Expecting object but got list at item 1 of input list",
        ),
        (
            '{"instances": [{"a": [1]}, {"a": [1, 2]}]}',
            {"a": tf.int64},
            "Failed to process element: 1 key: a of 'instances' list. "
            "Error: INVALID_ARGUMENT: Expecting tensor size: 1 but got: 2",
        ),
        (
            '{"instances": [[1, 2], [[1], [2]]]}',
            {"a": tf.int64},
            "Failed to process element: 1 of 'instances' list. "
            "Error: INVALID_ARGUMENT: Expecting shape [2] but got: [2,1]",
        ),
        (
            '{"instances": [1]}',
            {"a": tf.int64, "b": tf.int64},
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map",
        ),
        (
            '{"instances": []}',
            {"a": tf.int64},
            "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
        ),
    ],
)
def test_form_faults(request_text: str, inputs: dict[str, tf.DType], fault: str):
    with pytest.raises(ServingError) as error:
        decode(request_text, **inputs)
    assert error.value.message == fault


def test_outputs_must_share_a_batch_to_be_rows():
    outputs = {"a": np.zeros([2], np.int64), "b": np.zeros([3], np.int64)}
    with pytest.raises(ServingError, match="b has inconsistent batch size: 3 expecting: 2"):
        json_forms.encode_predict(outputs, Form.ROW)


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("shape", [[2], [2, 0], [0, 2], [2, 3, 2], [1, 1, 0, 2]])
def test_encoded_outputs_keep_values_and_shape(form: Form, shape: list[int]):
    ints = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    strings = ints.astype(str).astype("S").astype(object)
    answer = json.loads(json_forms.encode_predict({"i": ints, "raw_bytes": strings}, form))
    encoded = json.dumps(strings.tolist(), default=lambda b: {"b64": base64_text(b)})
    if form is Form.COLUMN:
        assert answer == {"outputs": {"i": ints.tolist(), "raw_bytes": json.loads(encoded)}}
    else:
        rows = zip(ints.tolist(), json.loads(encoded), strict=True)
        assert answer == {"predictions": [{"i": i, "raw_bytes": raw} for i, raw in rows]}
    single = json.loads(json_forms.encode_predict({"i": ints}, form))
    assert list(single.values()) == [ints.tolist()]


def base64_text(value: bytes) -> str:
    return base64.b64encode(value).decode()
