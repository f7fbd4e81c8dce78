#!/usr/bin/env python3
"""What a variant of a sweep costs when everything is in the cache, beside a no-op of one stage.

python3 benches/sweep.py CUSTEM [VARIANTS]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STAGES = """
[stages.rows]
kind = "simulate"
customers = 60
start = 2024-01-01
end = 2024-12-29

[stages.c]
kind = "command"
command = ["sh", "-c", "echo \\"{\\\\\\"loss\\\\\\": $A}\\" > m.json"]
inputs = { rows = "rows" }
outputs = { metrics = "m.json" }
env = { A = "1" }
"""


def timed(custem, folder, *args):
    start = time.perf_counter()
    done = subprocess.run([custem, *args], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return time.perf_counter() - start


def median(custem, folder, *args):
    return statistics.median(timed(custem, folder, *args) for _ in range(5))


def main():
    custem = str(Path(sys.argv[1]).resolve())
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    with tempfile.TemporaryDirectory() as folder:
        values = ", ".join(f'"{value}"' for value in range(count))
        sweep = f'[sweep]\naxes = {{ "c.env.A" = [{values}] }}\nobjective = "c.loss"\n'
        Path(folder, "sweep.toml").write_text(STAGES + sweep)
        Path(folder, "one.toml").write_text(STAGES)
        Path(folder, "few.toml").write_text(STAGES + sweep.replace(values, '"0"'))
        cold = timed(custem, folder, "run", "sweep.toml")
        timed(custem, folder, "run", "one.toml")
        timed(custem, folder, "run", "few.toml")
        # `--verbose` takes the ordinary way: the note of a run with nothing to do isn't asked.
        one = median(custem, folder, "run", "one.toml", "--verbose", "--set", "c.env.A=\"0\"")
        note = median(custem, folder, "run", "one.toml")
        few = median(custem, folder, "run", "few.toml")
        check = median(custem, folder, "check", "sweep.toml")
        plan = median(custem, folder, "run", "sweep.toml", "--dry-run")
        warm = median(custem, folder, "run", "sweep.toml")
    print(f"{count} variants cold       {cold * 1e3:9.1f} ms   {cold / count * 1e3:6.3f} ms a variant")
    print(f"{count} variants cached     {warm * 1e3:9.1f} ms   {(warm - few) / (count - 1) * 1e3:6.3f} ms a variant more")
    print(f"  of which check        {check * 1e3:9.1f} ms")
    print(f"  of which plan         {plan * 1e3:9.1f} ms")
    print(f"1 variant cached        {few * 1e3:9.1f} ms")
    print(f"no-op of two stages     {one * 1e3:9.1f} ms (asking the cache), {note * 1e3:.1f} ms (by its note)")


main()
