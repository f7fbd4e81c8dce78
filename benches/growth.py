"""How custem's time and memory grow with the data: pipelines/bench-1m.toml on a tenth of its purchases, on all of
them, and on ten times as many; customers grow along.

    python3 benches/growth.py --custem target/release/custem [--sizes 100000 1000000 10000000]
"""
import argparse
import os
import pathlib
import shutil
import sys
import tempfile

import timing

MAKE = pathlib.Path(__file__).resolve().parent / "make_txn.py"
PIPELINE = pathlib.Path(__file__).resolve().parent.parent / "pipelines/bench-1m.toml"


def once(binary, root):
    for name in ("cache", "experiments"):
        shutil.rmtree(root / name, ignore_errors=True)
    return timing.run([binary, "run", str(PIPELINE), "--root", str(root), "--quiet"])


def main(given):
    binary = os.path.abspath(given.custem)
    print(timing.machine())
    timing.table("purchases", "customers", "cold run", "times the row above", "CPU", "peak MB", "other cores")
    before = None
    for size in given.sizes:
        root = pathlib.Path(tempfile.mkdtemp(prefix="growth-", dir=given.folder))
        # In a process of its own: a child's peak memory counts what its parent has when it starts.
        file = str(root / "data/raw/txn_1m.parquet")
        timing.run([sys.executable, str(MAKE), "--rows", str(size), "--customers", str(size // 50), "--out", file])
        runs = [once(binary, root) for _ in range(given.times)]
        wall = timing.median(runs)
        timing.row(f"{size:,}", f"{size // 50:,}", timing.seconds(wall), f"{wall / before:.1f}" if before else "",
                   timing.seconds(timing.median(runs, "cpu")), f"{timing.median(runs, 'mb'):.0f}", f"{max(run['others'] for run in runs):.2f}")
        before = wall
        shutil.rmtree(root)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--custem", default="target/release/custem")
    arguments.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    arguments.add_argument("--times", type=int, default=3)
    arguments.add_argument("--folder", help="where the files go; the usual folder for temporary files when left out")
    main(arguments.parse_args())
