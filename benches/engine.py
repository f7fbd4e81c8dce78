"""The engine beside what the same work costs by itself: a graph of many stages against ninja's loading of it,
hashing a large file against b3sum, and storing and restoring a large artifact against hashing and copying it.

    python3 benches/engine.py --custem target/release/custem --b3sum b3sum [--only graph hash store]
"""
import argparse
import os
import pathlib
import shutil
import tempfile

import noop
import timing

GIB = 2**30


def make_large(path, size):
    """A file that compresses badly, made of one random stretch again and again."""
    stretch = os.urandom(64 * 2**20)
    with open(path, "wb") as file:
        for _ in range(size // len(stretch)):
            file.write(stretch)


def graph(binary, folder, times):
    timing.table("fan of", "custem check", "ninja -n", "ratio", "CPU", "peak MB", "other cores")
    medians = []
    for count in (10_000, 100_000):
        ours, theirs = folder / f"c{count}", folder / f"n{count}"
        for place in (ours, theirs):
            place.mkdir()
            for name in ("src.txt", "leaf.txt"):
                (place / name).write_text("1\n")
        noop.for_custem(ours, noop.SHAPES["fan"], count, binary)
        noop.for_ninja(theirs, noop.SHAPES["fan"], count)
        ran, peer = timing.in_turn(lambda: timing.run([binary, "check", "p.toml"], cwd=ours),
                                   lambda: timing.run(["ninja", "-n", "--quiet"], cwd=theirs), times)
        timing.compare(f"{count:,}", ran, peer)
        medians.append(timing.median(ran))
    print(f"\nTen times the stages take {medians[1] / medians[0]:.1f} times as long.")


def project(folder, name, stage):
    place = folder / name
    place.mkdir()
    (place / "p.toml").write_text("[stages.large]\nkind = \"command\"\n" + stage)
    return place


def hashing(binary, b3sum, folder, times):
    place = project(folder, "hash", 'files = ["large.bin"]\ncommand = ["true"]\n')
    large = place / "large.bin"
    make_large(large, 2 * GIB)
    run = [binary, "run", "p.toml", "--quiet"]
    timing.run(run, cwd=place)

    def touched():
        os.utime(large)
        return timing.run(run, cwd=place)

    ran, peer = timing.in_turn(touched, lambda: timing.run([b3sum, str(large)]), times)
    timing.table("2 GiB", "custem", "b3sum", "ratio", "CPU", "peak MB", "other cores")
    timing.compare("hash a touched source", ran, peer)
    large.unlink()


def storing(binary, b3sum, folder, times):
    source = folder / "source.bin"
    make_large(source, GIB)
    place = project(folder, "store", 'outputs = { out = "out.bin" }\nsave = { out = "saved.bin" }\n'
                    f'command = ["mv", "{folder}/moved.bin", "out.bin"]\n')
    run = [binary, "run", "p.toml", "--quiet"]

    def put_and_restore():
        for name in ("cache", "experiments"):
            shutil.rmtree(place / name, ignore_errors=True)
        shutil.copyfile(source, folder / "moved.bin")
        os.sync()
        put = timing.run([*run, "--set", "large.save={}"], cwd=place)
        restore = timing.run(run, cwd=place)
        (place / "saved.bin").unlink()
        return {**put, "wall": put["wall"] + restore["wall"], "cpu": put["cpu"] + restore["cpu"],
                "mb": max(put["mb"], restore["mb"]), "others": max(put["others"], restore["others"])}

    def hash_and_copy():
        os.sync()
        first = timing.run([b3sum, str(source)])
        second = timing.run(["cp", "--reflink=never", str(source), str(folder / "copy.bin")])
        os.unlink(folder / "copy.bin")
        return {**first, "wall": first["wall"] + second["wall"], "cpu": first["cpu"] + second["cpu"],
                "others": max(first["others"], second["others"])}

    ran, peer = timing.in_turn(put_and_restore, hash_and_copy, times)
    timing.table("1 GiB", "custem", "b3sum and cp", "ratio", "CPU", "peak MB", "other cores")
    timing.compare("store an artifact and restore it", ran, peer)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--custem", default="target/release/custem")
    parser.add_argument("--b3sum", default="b3sum")
    parser.add_argument("--only", nargs="+", choices=["graph", "hash", "store"], default=["graph", "hash", "store"])
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    binary = os.path.abspath(options.custem)
    print(timing.machine())
    noop.SAVE = False
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        folder = pathlib.Path(folder)
        if "graph" in options.only:
            graph(binary, folder, options.times)
        if "hash" in options.only:
            hashing(binary, options.b3sum, folder, options.times)
        if "store" in options.only:
            storing(binary, options.b3sum, folder, options.times)


if __name__ == "__main__":
    main()
