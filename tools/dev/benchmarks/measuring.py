"""Runs commands in turn and prints their times beside each other."""

import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MIB = 1 << 20
ACCEPTED = (0, 1)  # 1: validate found something, diff a difference


@dataclass
class Case:
    label: str
    command: list  # arguments, or one text for sh
    missing: str = ""  # why it cannot run here
    with_memory: bool = True  # the peak of it says something
    size_bytes: int = 0  # what it moves, where that is not the same for all


def run(command):
    start = time.perf_counter()
    status = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            shell=isinstance(command, str))
    seconds = time.perf_counter() - start
    if status.returncode not in ACCEPTED:
        text = command if isinstance(command, str) else shlex.join(command)
        sys.exit("%s: exit code %d\n%s" % (text, status.returncode, status.stderr.decode()))
    return seconds


def peak_memory_bytes(command):
    """Of a run below time(1): a child of this process would start with this process's own peak."""
    if isinstance(command, str):
        command = ["sh", "-c", command]
    with tempfile.NamedTemporaryFile("r") as report:
        run(["/usr/bin/time", "--quiet", "-f", "%M", "-o", report.name, *command])
        return int(report.read().split()[-1]) * 1024


def measure(title, cases, runs, prepare=lambda: None, size_bytes=0, warm_up=1):
    """Prints one table and returns the medians. `prepare` is called in front of every run, untimed."""
    present = [case for case in cases if not case.missing]
    times = {case.label: [] for case in present}
    for turn in range(warm_up + runs):
        for case in present:
            prepare()
            seconds = run(case.command)
            if turn >= warm_up:
                times[case.label].append(seconds)
    width = max(len(case.label) for case in cases)
    print("\n%-*s %12s %12s %9s %7s %10s" % (width, title, "median", "fastest", "MB/s", "ratio", "memory"))
    first = statistics.median(times[present[0].label])
    for case in cases:
        if case.missing:
            print("%-*s %s" % (width, case.label, case.missing))
            continue
        median = statistics.median(times[case.label])
        size = case.size_bytes or size_bytes
        memory = ""
        if case.with_memory:
            prepare()
            memory = "%.1f MB" % (peak_memory_bytes(case.command) / 1e6)
        print("%-*s %9.1f ms %9.1f ms %9s %7.2f %10s" % (
            width, case.label, 1e3 * median, 1e3 * min(times[case.label]),
            "%.0f" % (size / median / 1e6) if size else "", median / first, memory))
    prepare()
    return {label: statistics.median(seconds) for label, seconds in times.items()}


def program_problem(name):
    return "" if shutil.which(name) else "missing: %s" % name


def llama_problem(options, name):
    file = options.llama / name
    return "" if file.is_file() else "missing: %s; --llama or STKIT_LLAMA_CPP_BIN names its folder" % file
