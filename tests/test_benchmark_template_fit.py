"""The benchmark of template fits: its rule for what is left out, and one small run of it from another folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.template_fit import line, needed_mb

PROGRAM = Path(__file__).parent.parent / "benchmarks" / "template_fit.py"


def test_what_is_needed_lies_on_the_line_of_what_was_measured():
    rows = [{"pairs": pairs, "method": "a", "peak_mb": 50 + pairs / 100} for pairs in (10_000, 100_000)]
    left_out = {"pairs": 500_000, "method": "a", "left_out": "left out"}
    assert needed_mb("a", 1_000_000, [*rows, left_out]) == pytest.approx(10_050)
    assert needed_mb("b", 1_000_000, rows) == pytest.approx(5 * 512 * 8 * 1e6 / 2**20)
    assert needed_mb("fit", 10**9, rows) == 0
    assert line(left_out) == "| 500,000 | a | left out | | |"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is told apart on Linux only")
def test_a_run_from_another_folder_measures_memory_that_was_allocated(tmp_path):
    def run(*arguments):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [sys.executable, str(PROGRAM), "--data", "data", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    for _ in range(2):  # the second time on files that are there
        done = run("--pairs", "20000", "--methods", "fit")
        assert done.returncode == 0, done.stderr
        cells = [cell.strip() for cell in done.stdout.splitlines()[2].split("|")]
        assert cells[1:3] == ["20,000", "fit"] and cells[5] == "0.0e+00"
        assert 100 < float(cells[4].removesuffix(" MB")) < 300, (
            "parts in float64 and a sample, not 80 MB of mapped files"
        )
        assert "BLAS threads: 1, on " in done.stdout and "8,600,000 pairs, extrapolated from 20,000" in done.stdout
    (tmp_path / "data" / "source-20000.npy").write_bytes(b"broken")
    broken = run("--pairs", "20000", "--methods", "fit")
    assert broken.returncode != 0 and "source-20000.npy" in broken.stderr, "what went wrong is told"
