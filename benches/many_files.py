"""A `read` stage over very many small CSV files: the first run, the run where nothing changed, the run after one
file was added; each beside `stat` of all the files, by an `os.scandir` loop and by the shell's tools.

    python3 benches/many_files.py --custem target/release/custem
    python3 benches/many_files.py --files 10000 --folders 100 --times 5
"""
import argparse
import os
import pathlib
import shutil
import tempfile
import time

import timing


def part(folder, at, folders):
    """Where a file goes, and its rows."""
    name = f"in/{at % folders:04}/part-{at:06}.csv" if folders > 1 else f"in/part-{at:06}.csv"
    path = folder / name
    path.write_text(f"customer_id,txn_timestamp,amount\n{at % 997},2024-01-{1 + at % 28:02},{at % 50}.5\n")


def project(given):
    """A folder with the files and a pipeline that reads them."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="many-", dir=given.within))
    for at in range(max(1, given.folders)):
        (folder / (f"in/{at:04}" if given.folders > 1 else "in")).mkdir(parents=True, exist_ok=True)
    for at in range(given.files):
        part(folder, at, given.folders)
    pattern = "in/*/part-*.csv" if given.folders > 1 else "in/part-*.csv"
    (folder / "p.toml").write_text(f'[stages.rows]\nkind = "read"\npath = "{pattern}"\n')
    return folder


def sweep(folder):
    """Seconds that one thread needs to `stat` every file, told their names by `os.scandir`."""
    start, seen = time.perf_counter(), 0
    for path, _, _ in os.walk(folder / "in"):
        with os.scandir(path) as entries:
            for entry in entries:
                seen += entry.stat(follow_symlinks=True).st_size > 0
    return {"wall": time.perf_counter() - start, "seen": seen}


def main(given):
    custem = os.path.abspath(given.custem)
    print(f"{timing.machine()}; {timing.run([custem, '--version'])['out'].strip()}; {given.files} files in {given.folders} folders")
    folder = project(given)
    command = [custem, "run", "p.toml", "--quiet"]
    try:
        first = timing.run(command, cwd=folder)
        print(f"first run: {timing.seconds(first['wall'])}, CPU {timing.seconds(first['cpu'])}, peak {first['mb']:.0f} MB")
        shell = ["sh", "-c", "find in -name 'part-*.csv' -print0 | xargs -0 stat -c '%Y %s' > /dev/null"]
        timing.table("nothing changed, beside", "custem", "the other", "custem / the other", "peak MB of custem")
        for name, other in (("os.scandir and stat, in Python", lambda: sweep(folder)),
                            ("find | xargs stat", lambda: timing.run(shell, cwd=folder)),
                            ("find -size (stats each)", lambda: timing.run(["find", "in", "-size", "+1000k"], cwd=folder))):
            ours, theirs = timing.in_turn(lambda: timing.run(command, cwd=folder), other, given.times)
            timing.row(name, timing.seconds(timing.median(ours)), timing.seconds(timing.median(theirs)),
                       f"{1 / timing.ratio(ours, theirs):.2f}", f"{timing.median(ours, 'mb'):.0f}")
        part(folder, given.files, given.folders)
        added = timing.run([*command[:3], "--json"], cwd=folder)
        print(f"\none file added: {timing.seconds(added['wall'])}, peak {added['mb']:.0f} MB; {added['out'].splitlines()[-1]}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--custem", default="target/release/custem")
    arguments.add_argument("--files", type=int, default=100_000)
    arguments.add_argument("--folders", type=int, default=1, help="spread the files over so many folders")
    arguments.add_argument("--times", type=int, default=9, help="pairs of runs")
    arguments.add_argument("--within", default=None, help="where the files are made")
    main(arguments.parse_args())
