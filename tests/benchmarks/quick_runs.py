"""Benchmarks in their smallest sizes, as a user would run them."""

import re
import subprocess
import sys

from tests.paths import ROOT


def run(module: str, *arguments: str) -> list[list[list[str]]]:
    """Runs a benchmark with --quick and returns the tables it prints: the cells of each row, header first, no rule."""
    command = [sys.executable, "-m", module, "--quick", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    blocks = [block.splitlines() for block in done.stdout.split("\n\n")]
    tables = [[line.strip("| ").split(" | ") for line in lines] for lines in blocks if lines[0].startswith("|")]
    for header, rule, *rows in tables:
        assert rule == [":--", *["--:"] * (len(header) - 1)]
        assert all(len(row) == len(header) for row in rows)
        assert all(re.fullmatch(r"-?[\d,.]+%?|-", cell) for row in rows for cell in row[1:])
    return [[header, *rows] for header, _, *rows in tables]
