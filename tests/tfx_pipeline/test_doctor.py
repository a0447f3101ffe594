"""What the doctor finds, and what it advises."""

from pathlib import Path

import pytest

from tfx_pipeline import doctor


def test_this_environment_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main() == 0
    printed = capsys.readouterr().out
    for subject in ("tensorflow", "scann operations", "tensorflow-recommenders", "Keras 2"):
        assert subject in printed
    assert "make run" in printed


def test_another_version_is_told_with_the_remedy() -> None:
    finding = doctor.check_package("numpy", "0.0.1")
    assert "0.0.1" in finding.advice
    assert "make install" in finding.advice


def test_missing_package_is_told_with_the_remedy() -> None:
    finding = doctor.check_package("no-such-package", "1.0")
    assert (finding.state, finding.advice) == ("missing", "Run `make install`.")


def test_lock_is_read(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("# resolved\nnumpy==1.26.4\nkfp==2.5 ; python_version < '3'\nkfp==2.13 ; python_version >= '3'\n")
    assert doctor.locked_versions(lock) == {"numpy": "1.26.4", "kfp": "2.13"}


@pytest.mark.parametrize(
    ("system", "machine", "advice"),
    [
        ("Linux", "x86_64", ""),
        ("Linux", "aarch64", "Linux x86-64 container"),
        ("Darwin", "arm64", "Linux x86-64 container"),
        ("Darwin", "x86_64", "`serving.scann: false`"),
        ("Windows", "AMD64", "Linux x86-64 container"),
    ],
)
def test_a_platform_without_wheels_is_told_what_to_do(system: str, machine: str, advice: str) -> None:
    finding = doctor.check_platform(system, machine)
    assert advice in finding.advice
    assert bool(finding.advice) == bool(advice)
