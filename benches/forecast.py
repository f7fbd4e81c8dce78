"""Weekly series, model by model: custem against statsforecast and Prophet, back-tests included.

forecast.py [CUSTEM] [--times N]: the whole run of custem (start, reading the CSV, records, results) against the work alone
of the other tool in one process (numba compiled, n_jobs=-1), and the WAPE of both over the same folds.
"""
import argparse
import json
import pathlib
import random
import math
import shutil
import sys
import tempfile
import datetime

from timing import in_turn, median, ratio, row, run, seconds, times

PEER = pathlib.Path(__file__).parent / "peers" / "forecast.py"
# custem's model, the other tool's, the season that both are told, how many series.
MODELS = [
    ("ets", "AutoETS", 1, 100),
    ("ets", "AutoETS", 52, 20),
    ("theta", "Theta", 52, 200),
    ("optimised_theta", "OptimizedTheta", 52, 200),
    ("prophet", "prophet", 52, 10),
]
WEEKS = 156


def series(path, count):
    """Series with levels from hundreds to millions, trends, a year and noise, all above 0."""
    draw = random.Random(42)
    monday = datetime.date(2021, 1, 4)
    with open(path, "w") as out:
        out.write("series,period,revenue\n")
        for number in range(count):
            level, slope = 10 ** draw.uniform(2, 6), draw.uniform(-0.002, 0.006)
            high, when, noise = draw.uniform(0, 0.4), draw.uniform(0, 52), draw.uniform(0.03, 0.25)
            for week in range(WEEKS):
                year = 1 + high * math.cos(2 * math.pi * (week - when) / 52.18)
                value = level * (1 + slope * week) * year * math.exp(draw.gauss(0, noise))
                out.write(f"s{number:04},{monday + datetime.timedelta(7 * week)},{value:.2f}\n")


def pipeline(model, season):
    return f"""[stages.rows]
kind = "read"
path = "x.csv"

[stages.ahead]
kind = "forecast"
input = "rows"
models = ["{model}"]
season = {season}
folds = 5
horizon = 12
"""


def main():
    args = argparse.ArgumentParser()
    args.add_argument("custem", nargs="?", default="target/release/custem")
    args.add_argument("--times", type=int, default=3)
    args = args.parse_args()
    custem = pathlib.Path(args.custem).resolve()
    row("model", "against", "series", "custem", "other", "ratio", "a series and fit", "WAPE", "other cores")
    row(*["---"] * 9)
    for model, other, season, count in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            series(folder / "x.csv", count)
            (folder / "p.toml").write_text(pipeline(model, season))

            def ours():
                for known in ("cache", "experiments"):
                    shutil.rmtree(folder / known, ignore_errors=True)
                done = run([custem, "run", "p.toml", "--json"], cwd=folder)
                events = [json.loads(line) for line in done["out"].splitlines()]
                metrics = [event["metrics"] for event in events if event.get("stage") == "ahead" and "metrics" in event]
                return {**done, "wape": metrics[-1]["wape"]}

            def theirs():
                done = run([sys.executable, PEER, folder / "x.csv", other, str(season)])
                said = json.loads(done["out"].splitlines()[-1])
                return {**done, "wall": said["seconds"], "wape": said["wape"]}

            theirs()
            mine, peers = in_turn(ours, theirs, args.times)
            fits = count * 6
            each = f"{1000 * median(mine) / fits:.2f} ms / {1000 * median(peers) / fits:.1f} ms"
            wape = f"{median(mine, 'wape'):.4f} / {median(peers, 'wape'):.4f}"
            others = f"{max(median(mine, 'others'), median(peers, 'others')):.2f}"
            row(f"`{model}`", other, count, seconds(median(mine)), seconds(median(peers)), times(ratio(mine, peers)), each, wape, others)


if __name__ == "__main__":
    main()
