"""download beside curl, aria2c and hf."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .measuring import MIB, ROOT, Case, measure, program_problem


THROTTLED_RATE = 20_000_000
CONNECTIONS = 8
# What stkit asks for in one request: as many requests as connections, since nginx gives the first
# second's worth of each at once.
PIECE = 64 * MIB


class Hub:
    """A folder as a repository of the Hub, on an nginx of its own."""

    def __init__(self, folder, *options):
        self.process = subprocess.Popen([sys.executable, str(ROOT / "tests/support/nginx_hub.py"), str(folder), *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("{"):
            sys.exit(line.strip() or "nginx could not be run")
        self.url = json.loads(line)["hub"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def file(self, name):
        return "%s/org/name/resolve/main/%s" % (self.url, name)


def make_site(folder, size_bytes, files):
    if folder.is_dir():
        return
    (folder / "repo").mkdir(parents=True)
    for i in range(files):
        with open(folder / "repo" / ("model-%d.safetensors" % i), "wb") as file:
            for _ in range(size_bytes // files // MIB):
                file.write(os.urandom(MIB))


def digest_speed():
    """Bytes a second of SHA-256 on one core, as openssl does it; None where it is not installed."""
    if not shutil.which("openssl"):
        return None
    command = ["openssl", "speed", "-seconds", "1", "-bytes", "1048576", "-evp", "sha256"]
    text = subprocess.run(command, capture_output=True, text=True).stdout
    return 1000 * float(text.split()[-1].rstrip("k"))


def bench_download(options):
    scratch = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else options.models
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        out = Path(name) / "out"

        def empty():
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()

        unthrottled(options, out, empty)
        throttled(options, out, empty)


def stkit_download(options, hub, out, *more):
    return [str(options.binary), "-q", "download", "org/name", "--endpoint", hub.url, "--to", str(out), *more]


def aria2c(hub, out, names, connections):
    urls = [hub.file(name) for name in names]
    return ["aria2c", "-q", "--no-conf", "-x", str(connections), "-s", str(connections), "-k", "1M", "-d", str(out),
            "-Z", *urls]


def unthrottled(options, out, empty):
    site = options.models / ("download-%d-2" % options.size)
    make_site(site, options.size, 2)
    names = ["model-0.safetensors", "model-1.safetensors"]
    hf = Path(options.python).parent / "hf" if "/" in options.python else Path(shutil.which("hf") or "hf")
    with Hub(site) as hub:
        curls = ["curl -sfL -o %s %s" % (out / name, hub.file(name)) for name in names]
        environment = ["env", "HF_ENDPOINT=" + hub.url, "HF_HOME=%s" % (out / "hf-home"), "HF_HUB_DISABLE_XET=1",
                       "HF_HUB_DISABLE_UPDATE_CHECK=1", "HF_HUB_DISABLE_TELEMETRY=1"]
        cases = [
            Case("two curls at once", "%s & first=$!; %s && wait $first" % tuple(curls), program_problem("curl")),
            Case("stkit download, verified", stkit_download(options, hub, out)),
            Case("aria2c -x8", aria2c(hub, out, names, 8), program_problem("aria2c")),
            Case("hf download", [*environment, str(hf), "download", "org/name", "--local-dir", str(out), "-q"],
                 "" if hf.exists() else "missing: hf beside %s" % options.python),
        ]
        measure("%d MiB in two files" % (options.size // MIB), cases, options.runs, empty, options.size)
    if speed := digest_speed():
        print("openssl's SHA-256 on one core: %.0f MB/s" % (speed / 1e6))


def throttled(options, out, empty):
    one, many = options.models / "download-one", options.models / "download-many"
    make_site(one, PIECE, 1)
    make_site(many, CONNECTIONS * PIECE, 1)
    rate = ["--rate", str(THROTTLED_RATE)]
    name = "model-0.safetensors"
    with Hub(one, *rate) as first, Hub(many, *rate) as second:
        single = "one connection (curl)"
        ours = "stkit download, %d connections" % CONNECTIONS
        cases = [
            Case(single, ["curl", "-sfL", "-o", str(out / name), first.file(name)], program_problem("curl"), PIECE),
            Case(ours, stkit_download(options, second, out, "--connections", str(CONNECTIONS)), "", CONNECTIONS * PIECE),
            Case("aria2c -x%d" % CONNECTIONS, aria2c(second, out, [name], CONNECTIONS), program_problem("aria2c"),
                 CONNECTIONS * PIECE),
        ]
        medians = measure("each connection at %d MB/s" % (THROTTLED_RATE // 1_000_000), cases, options.runs, empty)
    if single in medians:
        print("%d connections bring %.2f times the bytes a second of one" %
              (CONNECTIONS, CONNECTIONS * medians[single] / medians[ours]))
