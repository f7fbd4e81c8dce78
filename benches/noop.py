"""A thousand trivial stages under custem and under another runner, in turn: the run where nothing changed, the
run after one leaf changed, and the first run.

    python3 benches/noop.py --custem target/release/custem                # against ninja
    python3 benches/noop.py --against dvc --stages 100 --times 3          # DVC takes a third of a second a stage
"""
import argparse
import os
import pathlib
import shutil
import sys
import tempfile

import timing

SHAPES = {
    "chain": lambda at: at - 1,
    # A root, ten stages on it, and every further one on the stage ten before.
    "fan": lambda at: 0 if at <= 10 else at - 10,
}


def inputs(at, shape, count):
    """The files that a stage reads, by the stage that makes them; None for a file from outside."""
    made = [("src.txt", None)] if at == 0 else [(f"o{shape(at)}.txt", shape(at))]
    return made + ([("leaf.txt", None)] if at == count - 1 else [])


def for_custem(folder, shape, count, binary):
    lines = ["[pipeline]", 'name = "noop"']
    for at in range(count):
        reads = inputs(at, shape, count)
        takes = ", ".join(f'i{of} = "s{of}"' for _, of in reads if of is not None)
        files = ", ".join(f'"{name}"' for name, of in reads if of is None)
        words = " ".join(name if of is None else f"{{inputs.i{of}}}" for name, of in reads)
        lines += [f"[stages.s{at}]", 'kind = "command"', f"inputs = {{ {takes} }}", f"files = [{files}]",
                  f'outputs = {{ out = "o{at}.txt" }}', f'save = {{ out = "o{at}.txt" }}' if SAVE else "",
                  f'command = ["sh", "-c", "cat {words} > {{outputs.out}}; echo {at} > {{outputs.out}}"]']
    (folder / "p.toml").write_text("\n".join(lines) + "\n")
    return [binary, "run", "p.toml", "--quiet"]


def for_ninja(folder, shape, count):
    lines = ["rule r", "  command = sh -c 'cat $in > $out; echo $out > $out'"]
    lines += [f"build o{at}.txt: r {' '.join(name for name, _ in inputs(at, shape, count))}" for at in range(count)]
    (folder / "build.ninja").write_text("\n".join(lines) + "\n")
    return ["ninja", "--quiet"]


def for_dvc(folder, shape, count, binary):
    lines = ["stages:"]
    for at in range(count):
        names = [name for name, _ in inputs(at, shape, count)]
        lines += [f"  s{at}:", f"    cmd: sh -c 'cat {' '.join(names)} > o{at}.txt; echo {at} > o{at}.txt'",
                  "    deps:", *(f"      - {name}" for name in names), "    outs:", f"      - o{at}.txt"]
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")
    timing.run([binary, "init", "--no-scm", "-q"], cwd=folder)
    timing.run([binary, "config", "core.analytics", "false"], cwd=folder)
    return [binary, "repro", "-q"]


class Project:
    """A folder with a thousand stages, and the command that brings it up to date."""

    def __init__(self, write):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="noop-"))
        for name in ("src.txt", "leaf.txt"):
            (self.folder / name).write_text("1\n")
        self.command = write(self.folder)
        self.changes = 0

    def run(self):
        return timing.run(self.command, cwd=self.folder)

    def after_a_change(self):
        self.changes += 1
        (self.folder / "leaf.txt").write_text(f"changed {self.changes}\n")
        return self.run()


def main(given):
    custem = os.path.abspath(given.custem)
    beside = os.path.join(os.path.dirname(os.path.abspath(given.python)), "dvc")
    dvc = beside if os.path.exists(beside) else "dvc"
    print(f"{timing.machine()}; {timing.run([custem, '--version'])['out'].strip()}, {given.against} "
          f"{timing.run([dvc if given.against == 'dvc' else 'ninja', '--version'])['out'].strip()}")
    timing.table(f"{given.stages} stages", "custem", given.against, "ratio", "CPU", "peak MB", "other cores")
    made = []
    for name, shape in SHAPES.items():
        def ours(folder):
            return for_custem(folder, shape, given.stages, custem)

        def theirs(folder):
            return for_ninja(folder, shape, given.stages) if given.against == "ninja" else for_dvc(folder, shape, given.stages, dvc)
        firsts, kept = ([], []), []
        for turn in range(given.first_times):
            for side, write in enumerate((ours, theirs)):
                project = Project(write)
                made.append(project)
                firsts[side].append(project.run())
                if turn == 0:
                    kept.append(project)
        [project.run() for project in kept]
        timing.compare(f"{name}, nothing changed", *timing.in_turn(kept[0].run, kept[1].run, given.times))
        timing.compare(f"{name}, one leaf changed", *timing.in_turn(kept[0].after_a_change, kept[1].after_a_change, given.times))
        timing.compare(f"{name}, first run", *firsts)
    # Not before: on ext4, new files cost whoever makes them more for minutes after others were removed.
    for project in made:
        shutil.rmtree(project.folder)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--custem", default="target/release/custem")
    arguments.add_argument("--against", choices=["ninja", "dvc"], default="ninja")
    arguments.add_argument("--stages", type=int, default=1_000)
    arguments.add_argument("--times", type=int, default=15, help="pairs of short runs")
    arguments.add_argument("--first-times", type=int, default=3, help="pairs of first runs")
    arguments.add_argument("--save", action="store_true", help="custem also puts every output beside its pipeline, as the others do")
    arguments.add_argument("--python", default=sys.executable, help="the Python beside which dvc is installed")
    given = arguments.parse_args()
    SAVE = given.save
    main(given)
