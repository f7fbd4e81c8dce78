"""Timing of whole commands: wall, CPU and memory, two commands in turn, and Markdown rows."""
import os
import statistics
import subprocess
import sys
import tempfile
import time


def busy():
    """CPU seconds that all processes of the machine have used so far."""
    fields = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
    user, nice, system, _idle, _wait, irq, softirq, _steal = fields
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def run(command, cwd=None, env=None, fine=(0,)):
    """Runs a command to its end: seconds of wall and CPU (its children included), peak MB of its largest
    process (at least what this process has), the cores that other processes used meanwhile, and what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before, start = busy(), time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu = used.ru_utime + used.ru_stime
        others = max(0.0, busy() - before - cpu) / max(wall, 0.01)
        out.seek(0), err.seek(0)
        said, complaint = out.read().decode(), err.read().decode()
    if process.returncode not in fine:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}\n{said[-2000:]}{complaint[-2000:]}")
    return {"wall": wall, "cpu": cpu, "mb": used.ru_maxrss / 1024, "others": others, "out": said, "err": complaint}


def in_turn(first, second, times):
    """Calls two functions in turn, A B A B ...: the results of each."""
    pairs = [(first(), second()) for _ in range(times)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def median(results, key="wall"):
    return statistics.median(result[key] for result in results)


def ratio(ours, theirs, key="wall"):
    """The median over the pairs of how many times longer they took."""
    return statistics.median(their[key] / max(our[key], 1e-9) for our, their in zip(ours, theirs))


def seconds(value):
    return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s" if value >= 1 else f"{1000 * value:.0f} ms" if value >= 0.02 else f"{1000 * value:.1f} ms"


def times(value):
    return f"{value:.0f} x" if value >= 10 else f"{value:.1f} x"


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def table(*heads):
    print()
    row(*heads)
    row(*("---" for _ in heads))


def compare(what, ours, theirs):
    """One row: medians of both, the median of the ratios, CPU, memory, and how undisturbed it was."""
    row(what, seconds(median(ours)), seconds(median(theirs)), times(ratio(ours, theirs)),
        f"{seconds(median(ours, 'cpu'))} / {seconds(median(theirs, 'cpu'))}",
        f"{median(ours, 'mb'):.0f} / {median(theirs, 'mb'):.0f}",
        f"{max(result['others'] for result in ours + theirs):.2f}")


def machine():
    """The processor, its cores, the memory and the system."""
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = int(open("/proc/meminfo").readline().split()[1]) / 2**20
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, {os.uname().sysname} {os.uname().release.split('-')[0]}"
