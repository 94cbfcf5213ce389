"""merge beside cat, cp and Python."""

import os
import shlex
import shutil
import subprocess

from .measuring import MIB, Case, measure, run
from .models import make_sharded

SHARDS = (4, 64)

PEER = """
import glob, sys
from safetensors.torch import load_file, save_file
tensors = {}
for file in sorted(glob.glob(sys.argv[1] + "/*.safetensors")):
    tensors.update(load_file(file))
save_file(tensors, sys.argv[2], metadata={"format": "pt"})
"""


def forget(files):
    """Takes files out of the page cache: what is dirty is written first. No rights are needed."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def reading_alone(files):
    """Four at a time, past the page cache."""
    return "printf '%%s\\0' %s | xargs -0 -P 4 -I{} dd if={} of=/dev/null bs=2M iflag=direct status=none" % (
        shlex.join(map(str, files)))


def peer_problem(python):
    if not shutil.which(python):
        return "missing: %s" % python
    probe = subprocess.run([python, "-c", "import safetensors.torch"], capture_output=True, text=True)
    return "missing: safetensors with torch in %s" % python if probe.returncode else ""


def bench_merge(options):
    missing = peer_problem(options.python)
    for shards in SHARDS:
        source = options.models / ("merge-%d-%d" % (options.size, shards))
        if not source.is_dir():
            make_sharded(source, options.size, shards)
        out = options.models / "merge-out"
        files = sorted(source.glob("*.safetensors"))
        names = shlex.join(map(str, files))
        merge = [str(options.binary), "-q", "merge", str(source), "-o", str(out)]
        one = shlex.quote(str(out / "model.safetensors"))

        def empty():
            shutil.rmtree(out, ignore_errors=True)

        def start_warm():
            empty()

        def start_cold():
            empty()
            forget(files)

        def commands(durable):
            sync = " && sync %s" % one if durable else ""
            sync_all = " && sync %s/*" % out if durable else ""
            return [
                Case("cat", "mkdir %s && cat %s > %s%s" % (out, names, one, sync), with_memory=False),
                Case("cp", "mkdir %s && cp %s %s%s" % (out, names, out, sync_all), with_memory=False),
                Case("stkit merge", merge + ([] if durable else ["--no-sync"])),
            ]

        python = Case("python", "mkdir %s && %s -c %s %s %s" % (
            out, options.python, shlex.quote(PEER), source, one), missing)
        by_mode = [Case("stkit merge --io %s" % mode, merge + ["--io", mode]) for mode in ("buffered", "direct")]
        disk_alone = [
            Case("disk: reading", reading_alone(files), with_memory=False),
            Case("disk: writing", "mkdir %s && dd if=/dev/zero of=%s bs=2M count=%d oflag=direct conv=fsync "
                 "status=none" % (out, one, options.size // (2 * MIB)), with_memory=False),
        ]

        what = "%d MiB in %d shards" % (options.size // MIB, shards)
        run("cat %s > /dev/null" % names)
        measure("%s, in the page cache" % what, commands(False) + [python], options.runs, start_warm, options.size)
        measure("%s, a cast beside the copy" % what,
                [Case("stkit merge", merge + ["--no-sync"]),
                 Case("stkit merge --dtype f16", merge + ["--no-sync", "--dtype", "f16"])],
                options.runs, start_warm, options.size)
        medians = measure("%s, cold, on the disk" % what, commands(True) + by_mode + disk_alone, options.runs,
                          start_cold, options.size, warm_up=0)
        print("what the disk takes for reading and then writing, past the page cache: %.2f of cat" % (
            sum(medians[case.label] for case in disk_alone) / medians["cat"]))
