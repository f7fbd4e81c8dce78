"""How long it takes to list 10,000 runs, against `custem --version`: at most 20 times as long.

Usage: python3 benches/runs.py [--custem target/release/custem] [--runs 10000]

The runs are copies of real ones, with other numbers and times. The first listing makes the index from the logs.
"""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

PIPELINE = """[pipeline]
name = "many"

[stages.rows]
kind = "simulate"
customers = 200
start = 2024-01-01
end = 2024-12-29

[stages.features]
kind = "features"
input = "rows"

[stages.segments]
kind = "segment"
input = "features"
k = 3
"""


def run(custem, folder, *args):
    start = time.perf_counter()
    done = subprocess.run([custem, *args], cwd=folder, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def median(custem, folder, *args, times=15):
    return statistics.median(run(custem, folder, *args)[0] for _ in range(times))


def make(custem, folder, count):
    """Real runs of different k, copied with other names."""
    (folder / "p.toml").write_text(PIPELINE)
    for k in range(2, 12):
        run(custem, folder, "run", "p.toml", "--set", f"segments.k={k}")
    experiments = folder / "experiments"
    names = sorted(path.stem for path in (experiments / "logs").glob("*.jsonl"))
    texts = [((experiments / "logs" / f"{name}.jsonl").read_text(), name) for name in names]
    configs = [(experiments / "configs" / f"{name}.toml").read_text() for name in names]
    for number in range(len(names) + 1, count + 1):
        (text, old), config = texts[number % len(texts)], configs[number % len(configs)]
        name = f"{number:04}-copied-run"
        (experiments / "logs" / f"{name}.jsonl").write_text(text.replace(old, name))
        (experiments / "configs" / f"{name}.toml").write_text(config)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--custem", default="target/release/custem")
    parser.add_argument("--runs", type=int, default=10_000)
    args = parser.parse_args()
    custem = str(pathlib.Path(args.custem).resolve())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="custem-runs-"))
    try:
        make(custem, folder, args.runs)
        version = median(custem, folder, "--version")
        print(f"custem --version                     {1000 * version:8.1f} ms")
        everything = ["runs", "list", "-n", str(args.runs)]
        first, out = run(custem, folder, *everything)
        assert len(out.splitlines()) == args.runs, len(out.splitlines())
        print(f"first list, which makes the index    {1000 * first:8.1f} ms  {first / version:6.1f} x")
        for name, words in [
            ("list of all", everything),
            ("list of all, --json", [*everything, "--json"]),
            ("list of 20", ["runs", "list"]),
            ("--where metrics", [*everything, "--where", "metrics.segments.silhouette > 0.2"]),
            ("--where params", [*everything, "--where", "params.segments.k > 5"]),
            ("best", ["runs", "best", "segments.silhouette"]),
            ("export", ["runs", "export"]),
        ]:
            took = median(custem, folder, *words)
            print(f"{name:36} {1000 * took:8.1f} ms  {took / version:6.1f} x")
        size = (folder / "experiments" / "index").stat().st_size
        print(f"the index has {size / 1e6:.1f} MB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
