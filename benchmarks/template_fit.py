"""Fit time and peak memory of a template adapter: `python benchmarks/template_fit.py --data DIR [--pairs 10000]`.

Each fit runs in a process of its own on memory-mapped float32 files of 512 numbers a side, drawn once with a seed:
the product's `fit`, `numpy.linalg.lstsq` and scikit-learn's `LinearRegression`, all with a bias. The other two need
everything in memory and in float64 to give the same answer; a number of pairs for which that does not fit is left out
for them and said so. Largest difference of the matrices, seconds with the reading of the files, and peak memory of
the process above what it had before the fit.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).parent.parent
WIDTH = 512
METHODS = ("fit", "numpy.linalg.lstsq", "sklearn LinearRegression")
COPIES = {"numpy.linalg.lstsq": 5.0, "sklearn LinearRegression": 5.0}
"""About how many times one side in float64 the method holds at its peak."""


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
        from template_adapter.fit import gather, solve
        from template_adapter.pairs import Pairs
        from template_adapter.vectors import open_vectors

        pairs = Pairs(open_vectors(source, name="source")[0], open_vectors(target, name="target")[0], unit=False)
        return solve(gather(pairs)).matrix
    x, y = np.load(source).astype(np.float64), np.load(target).astype(np.float64)
    if method == "numpy.linalg.lstsq":
        x = np.column_stack([x, np.ones(len(x))])
        return np.linalg.lstsq(x, y, rcond=None)[0][:WIDTH]
    from sklearn.linear_model import LinearRegression

    return LinearRegression(copy_X=False).fit(x, y).coef_.T


def measure(method: str, source: Path, target: Path, matrix: Path) -> None:
    """In a process of its own: one fit, told as JSON on stdout."""
    if method.startswith("sklearn"):
        import sklearn.linear_model  # noqa: F401
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    found = fitted(method, source, target)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    np.save(matrix, found)
    print(json.dumps({"seconds": seconds, "peak_mb": peak / 1024}))


def fits(method: str, pairs: int) -> bool:
    return COPIES.get(method, 0.0) * pairs * WIDTH * 8 < 0.85 * psutil.virtual_memory().available


def compare(folder: Path, sizes: list[int]) -> list[dict]:
    rows = []
    for pairs in sizes:
        source, target = prepare(folder, pairs)
        reference = None
        for method in METHODS:
            row: dict = {"pairs": pairs, "method": method}
            if fits(method, pairs):
                matrix = folder / "matrix.npy"
                command = [sys.executable, __file__, "--data", str(folder), "--one", method, str(source), str(target)]
                done = subprocess.run([*command, str(matrix)], check=True, capture_output=True, text=True, cwd=ROOT)
                row |= json.loads(done.stdout)
                found = np.load(matrix)
                reference = found if reference is None else reference
                row["difference"] = float(np.abs(found - reference).max())
            rows.append(row)
            print(line(row), flush=True)
    return rows


def line(row: dict) -> str:
    if "seconds" not in row:
        return f"| {row['pairs']:,} | {row['method']} | does not fit into memory | | |"
    return (
        f"| {row['pairs']:,} | {row['method']} | {row['seconds']:.1f} s | {row['peak_mb']:,.0f} MB | "
        f"{row['difference']:.1e} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder for the files, 4 kB a pair")
    parser.add_argument("--pairs", default="10000,100000,1000000")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        method, source, target, matrix = options.one
        measure(method, Path(source), Path(target), Path(matrix))
        return
    options.data.mkdir(parents=True, exist_ok=True)
    print("| pairs | method | time | peak memory | difference to `fit` |\n|---|---|---|---|---|")
    rows = compare(options.data, [int(part) for part in options.pairs.split(",")])
    ours = [row for row in rows if row["method"] == "fit"]
    slope = ours[-1]["seconds"] / ours[-1]["pairs"]
    print(f"\n8.6 million pairs at the pace of the largest: {8.6e6 * slope:,.0f} s, {ours[-1]['peak_mb']:,.0f} MB.")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
