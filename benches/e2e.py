"""pipelines/bench-1m.toml against the same work as a plain Python script (benches/peers/script.py), and against that
script as a DVC pipeline: the whole and each part, cold, with nothing changed, and after a changed k.

    python3 benches/make_txn.py
    python3 benches/e2e.py --custem target/release/custem --python venv/bin/python [--dvc]
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile

import timing

HERE = pathlib.Path(__file__).resolve().parent
PIPELINE = HERE.parent / "pipelines/bench-1m.toml"
SCRIPT = HERE / "peers/script.py"
PICTURES = ["sweep_curves", "davies_bouldin", "customers", "profiles", "sizes", "outlook", "churn_chances", "churn_importance"]
# Parts of the script, and the stages that do the same.
PARTS = {
    "read": ["transactions"], "check": ["quality"], "features": ["features"], "segment": ["scan", "segments"],
    "profile": ["profile"], "series": ["weekly"], "forecast": ["forecast"], "churn": ["churn"],
    "pictures": PICTURES, "report": ["report"],
}


class Custem:
    """The pipeline in a project of its own."""

    def __init__(self, binary, file, jobs=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="e2e-custem-"))
        (self.root / "data/raw").mkdir(parents=True)
        shutil.copy(file, self.root / "data/raw/txn_1m.parquet")
        self.command = [binary, "run", str(PIPELINE), "--root", str(self.root), "--json"]
        self.command += ["--jobs", str(jobs)] if jobs else []

    def run(self, *more):
        result = timing.run([*self.command, *more])
        events = [json.loads(line) for line in result["out"].splitlines()]
        ends = {event["stage"]: event for event in events if event["event"] == "stage_done"}
        result["ran"] = sum(end["outcome"] == "ran" for end in ends.values())
        result["parts"] = {part: sum(ends[stage]["seconds"] for stage in stages) for part, stages in PARTS.items()}
        segments, churn = ends["segments"]["metrics"], ends["churn"]["metrics"]
        result["quality"] = {"silhouette": segments["silhouette"], "inertia": segments["inertia"],
                             "wape": ends["forecast"]["metrics"].get("wape.ridge"), "auc": churn.get("auc.boosted", churn.get("auc")),
                             "brier": churn.get("brier.boosted", churn.get("brier"))}
        return result

    def cold(self):
        for name in ("cache", "experiments"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        return self.run()


class Script:
    """The whole script in one process."""

    def __init__(self, python, file):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="e2e-script-"))
        self.command = [python, str(SCRIPT), "all", str(file), str(self.folder)]

    def run(self):
        result = timing.run(self.command)
        told = json.loads((self.folder / "seconds.json").read_text())
        return {**result, "parts": told["seconds"], "quality": told["quality"]}


class Dvc:
    """The script's parts as stages of a DVC pipeline."""

    def __init__(self, python, file):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="e2e-dvc-"))
        self.python, self.file = python, file
        self.dvc = str(pathlib.Path(python).parent / "dvc")

    def prepare(self):
        sys.path.insert(0, str(SCRIPT.parent))
        from script import STAGES
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        shutil.copy(self.file, self.folder / "txn.parquet")
        shutil.copy(SCRIPT, self.folder)
        lines = ["stages:"]
        for name, (takes, leaves) in STAGES.items():
            k = " --k ${k}" if name == "segment" else ""
            rows = ["txn.parquet"] if name in ("check", "features", "series", "churn") else []
            lines += [f"  {name}:", f"    cmd: {self.python} script.py {name} txn.parquet out{k}", "    deps:",
                      *(f"      - {file}" for file in ["script.py", *rows, *(f"out/{key}" for key in takes)]),
                      *(["    params:", "      - k"] if k else []),
                      "    outs:", *(f"      - out/{key}" for key in leaves)]
        (self.folder / "dvc.yaml").write_text("\n".join(lines) + "\n")
        self.set_k(6)
        timing.run([self.dvc, "init", "--no-scm", "-q"], cwd=self.folder)
        timing.run([self.dvc, "config", "core.analytics", "false"], cwd=self.folder)

    def set_k(self, k):
        (self.folder / "params.yaml").write_text(f"k: {k}\n")

    def run(self):
        return timing.run([self.dvc, "repro", "-q"], cwd=self.folder)

    def cold(self):
        self.prepare()
        return self.run()


def versions(python):
    names = "numpy pandas sklearn lightgbm mlforecast matplotlib".split()
    code = f"import sys; print('Python', sys.version.split()[0]); [print(name, __import__(name).__version__) for name in {names}]"
    return ", ".join(timing.run([python, "-c", code])["out"].split("\n")).strip(", ")


def parts(ours, theirs):
    timing.table("part", "custem", "script", "ratio")
    for part in PARTS:
        pairs = [({"wall": our["parts"][part]}, {"wall": their["parts"][part]}) for our, their in zip(ours, theirs)]
        our, their = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        timing.row(part, timing.seconds(timing.median(our)), timing.seconds(timing.median(their)), timing.times(timing.ratio(our, their)))
    start = [{"wall": their["parts"]["imports"]} for their in theirs]
    timing.row("start and imports", "", timing.seconds(timing.median(start)), "")


def quality(ours, theirs):
    timing.table("quality", "custem", "script")
    for name in ours["quality"]:
        cells = [side["quality"][name] for side in (ours, theirs)]
        timing.row(name, *("" if cell is None else f"{cell:.4g}" for cell in cells))


def main(given):
    binary, python = os.path.abspath(given.custem), os.path.abspath(given.python)
    print(f"{timing.machine()}; {timing.run([binary, '--version'])['out'].strip()}; {versions(python)}")
    file = pathlib.Path(given.file).resolve()
    custem, alone, script = Custem(binary, file), Custem(binary, file, jobs=1), Script(python, file)
    script.run(), custem.cold()
    ours, theirs = timing.in_turn(custem.cold, script.run, given.times)
    heads = ("custem", "script", "ratio", "CPU", "peak MB", "other cores")
    timing.table("bench-1m", *heads)
    timing.compare("cold", ours, theirs)
    idle = [custem.run() for _ in range(2 * given.times)]
    assert all(run["ran"] == 0 for run in idle), "something ran although nothing changed"
    timing.compare("nothing changed (the script does it all again)", idle[:given.times], theirs)
    # A new k each time: one that was there before would be in the cache.
    others = [k for k in range(3, given.times + 4) if k != 6]
    changed = [custem.run("--set", f"segments.k={k}") for k in others[:given.times]]
    timing.compare("another k (the script does it all again)", changed, theirs)
    print("\nPart for part; both sides run on all cores, and custem's stages at the same time:")
    parts(ours, theirs)
    print("\nThe same with custem on one core (`--jobs 1`), one stage after another:")
    parts([alone.cold() for _ in range(given.times)], theirs)
    quality(ours[0], theirs[0])
    if given.dvc:
        dvc = Dvc(python, file)
        timing.table("bench-1m", "custem", "DVC", *heads[2:])
        colds = [dvc.cold() for _ in range(given.dvc_times)]
        timing.compare("cold", ours[:given.dvc_times], colds)
        dvc.run()
        timing.compare("nothing changed", *timing.in_turn(custem.run, dvc.run, given.times))
        dvc.set_k(5)
        timing.compare("another k", changed[:1], [dvc.run()])
        shutil.rmtree(dvc.folder)
    for folder in (custem.root, alone.root, script.folder):
        shutil.rmtree(folder)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--custem", default="target/release/custem")
    arguments.add_argument("--python", default=sys.executable, help="a Python with benches/peers/requirements.txt")
    arguments.add_argument("--file", default="data/raw/txn_1m.parquet")
    arguments.add_argument("--times", type=int, default=5)
    arguments.add_argument("--dvc", action="store_true", help="also against the parts as a DVC pipeline (minutes)")
    arguments.add_argument("--dvc-times", type=int, default=1)
    main(arguments.parse_args())
