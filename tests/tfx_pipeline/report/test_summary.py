"""The lines at the end of a run, and the command that prints them."""

import math

import pytest

from tests.tfx_pipeline import tiny_runs as tiny
from tests.tfx_pipeline.report import made_up
from tfx_pipeline.anomalies import Anomaly
from tfx_pipeline.report import summary, texts
from tfx_pipeline.report.__main__ import main
from tfx_pipeline.report.contents import Gate, Step


def test_blessed_and_pushed():
    text = summary(made_up.facts(), "/r.html")
    assert text.startswith("p: Blessed and pushed (1 min 05 s)")
    assert "NDCG@10                 0.2500      0.3000  +0.0500 (+20 %)" in text
    assert "Recall@100              0.7000      0.8000  +0.1000 (+14 %)" in text
    assert "corr  blessed, pushed as version 17" in text
    assert "Report  /r.html" in text
    assert text.endswith("Next    make serve")


def test_refused_says_every_reason():
    refused = made_up.model(blessed=False, servable=False, refusal="boom\nbang", pushed_to=None)
    refused.evaluation.gates.append(Gate("two_stage/ndcg@10", "change", -0.01, -0.2, passed=False))
    text = summary(made_up.facts(models=[refused]))
    assert text.startswith("p: Not blessed")
    assert (
        "    - two_stage/ndcg@10 changed by -0.2000 against the last blessed model; "
        "a drop of up to 0.0100 is allowed\n"
        "    - serving check: boom\n      bang\n"
    ) in text
    assert "make serve" not in text


def test_stopped_run_names_the_component_and_the_anomalies():
    facts = made_up.facts(
        models=[],
        steps=[Step("SchemaGate", "failed", 0.1)],
        anomalies={"train": [Anomaly("train", "rating", "Out of range", "Saw 7.")]},
    )
    text = summary(facts)
    assert text.startswith("p: Stopped at SchemaGate")
    assert "train / rating: Out of range. Saw 7." in text
    assert "Next    put right what stopped SchemaGate and run again" in text


def test_a_gate_without_a_value_says_so():
    assert Gate("m", "bound", 0.1, math.nan, passed=False).text == "m could not be measured"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.7, "1 min 00 s"), (185, "3 min 05 s"), (3720, "1 h 02 min")],
)
def test_durations(seconds, text):
    assert texts.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234, "1,234"),
        (0.12345, "0.1235"),
        (0.0, "0.0000"),
        (4.2e-5, "4.2e-05"),
        (math.nan, "–"),
        (None, "–"),
        (123456.0, "123,456"),
    ],
)
def test_numbers(value, text):
    assert texts.number(value) == text


def _main(run: str, output, *flags: str) -> int:
    runs = tiny.tiny_runs()
    return main(
        [
            "--pipeline-root",
            runs.root,
            "--metadata",
            runs.metadata(run),
            "--name",
            tiny.NAME,
            "--users",
            "1",
        ]
        + ["--output", str(output), *flags]
    )


def test_the_command_writes_the_report_and_prints_the_summary(tmp_path, capsys):
    output = tmp_path / "report.html"
    assert _main("good", output, "--fail-unless-blessed") == 0
    assert "tiny: Blessed and pushed" in capsys.readouterr().out
    assert "Blessed and pushed" in output.read_text()


def test_the_command_fails_on_request_where_a_model_was_refused(tmp_path, capsys):
    assert _main("worse", tmp_path / "a.html") == 0
    assert _main("worse", tmp_path / "b.html", "--fail-unless-blessed") == 1
    assert "every model blessed" in capsys.readouterr().err


def test_the_command_without_a_run(tmp_path, capsys):
    assert main(["--pipeline-root", str(tmp_path), "--name", "none"]) == 2
    assert "metadata.sqlite" in capsys.readouterr().err
