"""Fit time and peak memory of a template adapter: `python benchmarks/template_fit.py --data DIR [--pairs 10000]`.

Each fit runs in a process of its own on memory-mapped float32 files of 512 numbers a side, drawn once with a seed:
the product's `fit` of vectors as they are, with its cosines; `numpy.linalg.lstsq` and scikit-learn's
`LinearRegression`, all with a bias and with as many BLAS threads as `--threads` says. The other two need everything in
memory and in float64 to give the same answer. Printed are seconds with the reading of the files, the largest
difference of the matrices (`fit` keeps its own in float32), and the peak of anonymous memory above what the process
had before: what it allocated itself. Mapped pages of the files, which the system takes back at need, are not counted.

A number of pairs for which a method would need more than 85 % of the free memory, going by its peaks at smaller
numbers, is left out for it, with both figures. Linux only: elsewhere the two kinds of memory are not told apart.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 512
METHODS = ("fit", "numpy.linalg.lstsq", "sklearn LinearRegression")
UNMEASURED = 5 * WIDTH * 8
"""Bytes a pair that the two others are taken to need before a smaller number of pairs was measured."""
FREE = 0.85
PUBLISHED = 8_600_000
"""Pairs that the published map was fitted on."""


def prepare(folder: Path, pairs: int) -> tuple[Path, Path]:
    """Two files of pairs that a linear map and noise connect; files that are there are taken as they are."""
    files = folder / f"source-{pairs}.npy", folder / f"target-{pairs}.npy"
    if not all(file.exists() for file in files):
        rng = np.random.default_rng(0)
        turn = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0].astype(np.float32)
        x, y = (np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(pairs, WIDTH)) for file in files)
        for start in range(0, pairs, 16384):
            stop = min(start + 16384, pairs)
            part = rng.standard_normal((stop - start, WIDTH), np.float32)
            x[start:stop] = part
            y[start:stop] = part @ turn + 0.3 * rng.standard_normal((stop - start, WIDTH), np.float32)
        x.flush()
        y.flush()
    return files


def fitted(method: str, source: Path, target: Path) -> np.ndarray:
    """The (512, 512) matrix."""
    if method == "fit":
        from template_adapter.fit import fit
        from template_adapter.pairs import Pairs
        from template_adapter.vectors import open_vectors

        pairs = Pairs(open_vectors(source, name="source")[0], open_vectors(target, name="target")[0], unit=False)
        return fit(pairs, source="drawn", target="turned").matrix
    x, y = np.load(source).astype(np.float64), np.load(target).astype(np.float64)
    if method == "numpy.linalg.lstsq":
        x = np.column_stack([x, np.ones(len(x))])
        return np.linalg.lstsq(x, y, rcond=None)[0][:WIDTH]
    from sklearn.linear_model import LinearRegression

    return LinearRegression(copy_X=False).fit(x, y).coef_.T


def anonymous(process: psutil.Process) -> int:
    """Bytes that a process has allocated and touched; mapped files are not among them."""
    told = process.memory_info()
    return told.rss - told.shared


def measure(method: str, source: Path, target: Path, matrix: Path) -> None:
    """In a process of its own: one fit, told as JSON on stdout."""
    from threadpoolctl import threadpool_info

    if method.startswith("sklearn"):
        import sklearn.linear_model  # noqa: F401
    else:
        import template_adapter.fit  # noqa: F401
    before = anonymous(psutil.Process())
    began = time.perf_counter()
    found = fitted(method, source, target)
    seconds = time.perf_counter() - began
    threads = max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
    np.save(matrix, found)
    print(json.dumps({"seconds": seconds, "before": before, "threads": threads}))


def watched(command: list[str], threads: int) -> dict:
    """What a `measure` in a process of its own tells, with its peak in MB, looked at every five milliseconds."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | limits) as child:
        process = psutil.Process(child.pid)
        while child.poll() is None:
            try:
                peak = max(peak, anonymous(process))
            except psutil.Error:  # it has ended between the two looks
                break
            time.sleep(0.005)
        out, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"{command[-4]} failed with exit code {child.returncode}")
    told = json.loads(out)
    return told | {"peak_mb": (peak - told.pop("before")) / 2**20}


def needed_mb(method: str, pairs: int, rows: list[dict]) -> float:
    """What a method will take, on the straight line through its last two peaks in `rows`; `fit` is never left out."""
    if method == "fit":
        return 0.0
    known = [(row["pairs"], row["peak_mb"]) for row in rows if row["method"] == method and "peak_mb" in row]
    if len(known) < 2:
        return pairs * UNMEASURED / 2**20
    (x0, y0), (x1, y1) = known[-2:]
    return y1 + (y1 - y0) / (x1 - x0) * (pairs - x1)


def compare(folder: Path, sizes: list[int], methods: list[str], threads: int) -> list[dict]:
    rows: list[dict] = []
    for pairs in sizes:
        source, target = prepare(folder, pairs)
        reference = None
        for method in methods:
            row: dict = {"pairs": pairs, "method": method}
            need, free = needed_mb(method, pairs, rows), psutil.virtual_memory().available / 2**20
            if need < FREE * free:
                matrix = folder / "matrix.npy"
                command = [sys.executable, __file__, "--one", method, str(source), str(target), str(matrix)]
                row |= watched(command, threads)
                found = np.load(matrix)
                reference = found if reference is None else reference
                row["difference"] = float(np.abs(found - reference).max())
            else:
                row["left_out"] = f"left out: needs about {need / 1024:.1f} GB, {free / 1024:.1f} GB are free"
            rows.append(row)
            print(line(row), flush=True)
    return rows


def line(row: dict) -> str:
    if "left_out" in row:
        return f"| {row['pairs']:,} | {row['method']} | {row['left_out']} | | |"
    return (
        f"| {row['pairs']:,} | {row['method']} | {row['seconds']:.2f} s | {row['peak_mb']:,.0f} MB | "
        f"{row['difference']:.1e} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder for the files, 4 kB a pair")
    parser.add_argument("--pairs", default="10000,100000,1000000")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--threads", type=int, default=1, help="of BLAS, in each method's process")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        method, *files = options.one
        measure(method, *map(Path, files))
        return
    if not sys.platform.startswith("linux"):
        parser.error("memory of its own and mapped files are told apart on Linux only")
    if options.data is None:
        parser.error("--data is needed")
    folder = options.data.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    print("| pairs | method | time | peak memory | difference to `fit` |\n|---|---|---|---|---|")
    sizes = sorted(int(part) for part in options.pairs.split(","))
    rows = compare(folder, sizes, options.methods.split(","), options.threads)
    threads = sorted({row["threads"] for row in rows if "threads" in row})
    print(f"\nBLAS threads: {', '.join(map(str, threads))}, on {os.cpu_count()} processors.")
    ours = [row for row in rows if row["method"] == "fit"]
    if ours and ours[-1]["pairs"] < PUBLISHED:
        slope, peak = ours[-1]["seconds"] / ours[-1]["pairs"], ours[-1]["peak_mb"]
        told = f"extrapolated from {ours[-1]['pairs']:,}: {PUBLISHED * slope:,.0f} s, {peak:,.0f} MB"
        print(f"{PUBLISHED:,} pairs, {told}.")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
