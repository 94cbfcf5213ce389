"""Shares the Hub's cache and folders with `hf`, the Hub's own tool, both ways.

    hub_python.py <stkit>

Both download from a real nginx on loopback: what one has fetched the other takes as it is, and what
stkit publishes passes `hf cache verify`.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request

from oracle import expect, finish

SUPPORT = pathlib.Path(__file__).resolve().parents[1] / "support"
def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(77)


try:
    import huggingface_hub
except ImportError as error:
    skip(f"{sys.executable} lacks a package ({error}); configure with -DSTKIT_PYTHON=<interpreter> to run this test")

HF = pathlib.Path(sys.executable).parent / "hf"
if not HF.exists():
    skip(f"{HF} is not there: huggingface_hub {huggingface_hub.__version__} has no `hf`")


class Hub:
    """A folder of its own with the site, the caches and the logs."""

    def __init__(self, folder):
        self.folder = folder
        self.site = folder / "site"
        self.process = subprocess.Popen([sys.executable, str(SUPPORT / "nginx_hub.py"), str(self.site)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("{"):
            skip(line.removeprefix("SKIPPED: ").strip() or "nginx could not be run")
        self.addresses = json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()

    def environment(self, home, **more):
        return dict(os.environ, HOME=str(self.folder), HF_HOME=str(self.folder / home), HF_ENDPOINT=self.addresses["hub"],
                    HF_TOKEN="hf_dummy", HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_UPDATE_CHECK="1",
                    HF_HUB_DISABLE_TELEMETRY="1", NO_COLOR="1", **more)

    def run(self, home, *command, **more):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=self.folder,
                              env=self.environment(home, **more))
        if done.returncode != 0:
            expect(" ".join(map(str, command[:4])), (done.returncode, done.stdout + done.stderr), (0, ""))
        return done.stdout + done.stderr

    def contents_fetched(self):
        """How many bytes of files have left the servers so far."""
        # nginx logs a request when it has sent the answer, and before it looks at the next one.
        urllib.request.urlopen(self.addresses["hub"] + "/api/models/org/name").read()
        sent = 0
        for name in ("hub.log", "cdn.log"):
            log = self.site / name
            for line in log.read_text().splitlines() if log.exists() else []:
                request = json.loads(line)
                is_content = "/blob/" in request["target"] or "/resolve-cache/" in request["target"]
                sent += request["sent"] if is_content and request["method"] == "GET" else 0
        return sent

    def snapshot(self, home):
        return self.folder / home / "hub/models--org--name/snapshots" / self.addresses["commit"]


def make_repo(folder):
    (folder / "vocab").mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type":"llama"}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "vocab/a b+c\u00e4.json").write_text("[1]")
    for i, size in enumerate((5_000_001, 40_000)):
        (folder / f"model-{i}.safetensors").write_bytes(os.urandom(size))


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and ".cache" not in path.parts}


def check_cache(stkit, hub):
    hub.run("ours", stkit, "download", "org/name", "--include", "*")
    wanted = files_of(hub.site / "repo")
    expect("our snapshot", files_of(hub.snapshot("ours")), wanted)
    expect("what the logs tell of", hub.contents_fetched(), sum(map(len, wanted.values())))
    verified = hub.run("ours", HF, "cache", "verify", "org/name", "--fail-on-missing-files", "--fail-on-extra-files")
    print(verified.strip())
    before = hub.contents_fetched()
    offline = hub.run("ours", HF, "download", "org/name", "-q", HF_HUB_OFFLINE="1")
    expect("hf offline", offline.strip().splitlines()[-1:], [str(hub.snapshot("ours"))])
    hub.run("ours", HF, "download", "org/name", "-q")
    expect("what hf fetches after us", hub.contents_fetched() - before, 0)

    hub.run("theirs", HF, "download", "org/name", "-q")
    expect("hf's snapshot", files_of(hub.snapshot("theirs")), wanted)
    before = hub.contents_fetched()
    report = json.loads(hub.run("theirs", stkit, "-q", "download", "org/name", "--include", "*", "--json"))
    expect("what we fetch after hf", (report["network_bytes"], hub.contents_fetched() - before), (0, 0))
    expect("where we find it", report["path"], str(hub.snapshot("theirs")))
    hub.run("theirs", HF, "cache", "verify", "org/name", "--fail-on-missing-files", "--fail-on-extra-files")

    # What one lacks the other adds.
    shutil.rmtree(hub.folder / "ours")
    hub.run("ours", HF, "download", "org/name", "config.json", "model-1.safetensors", "-q")
    report = json.loads(hub.run("ours", stkit, "-q", "download", "org/name", "--include", "*", "--json"))
    expect("what was left to fetch", report["network_bytes"],
           sum(len(content) for name, content in wanted.items() if name not in ("config.json", "model-1.safetensors")))
    hub.run("ours", HF, "cache", "verify", "org/name", "--fail-on-missing-files", "--fail-on-extra-files")


def check_folder(stkit, hub):
    hub.run("ours", stkit, "download", "org/name", "--include", "*", "--to", "folder")
    wanted = files_of(hub.site / "repo")
    expect("our folder", files_of(hub.folder / "folder"), wanted)
    before = hub.contents_fetched()
    hub.run("none", HF, "download", "org/name", "--local-dir", "folder", "-q")
    expect("what hf fetches after --to", hub.contents_fetched() - before, 0)
    hub.run("none", HF, "cache", "verify", "org/name", "--local-dir", "folder")

    hub.run("none", HF, "download", "org/name", "--local-dir", "its-folder", "-q")
    before = hub.contents_fetched()
    report = json.loads(
        hub.run("ours", stkit, "-q", "download", "org/name", "--include", "*", "--to", "its-folder", "--json"))
    expect("what we fetch into hf's folder", (report["network_bytes"], hub.contents_fetched() - before), (0, 0))


def main():
    stkit = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_repo(folder / "site/repo")
        hub = Hub(folder)
        try:
            check_cache(stkit, hub)
            check_folder(stkit, hub)
        finally:
            hub.stop()
    finish(f"huggingface_hub {huggingface_hub.__version__}")


if __name__ == "__main__":
    main()
