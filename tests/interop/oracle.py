"""What the scripts of this folder share: they say what differs, count it, and end with it."""

import subprocess
import sys

failures = 0


def expect(what, found, wanted):
    global failures
    if found != wanted:
        failures += 1
        print(f"FAILED: {what}:\n  found  {str(found)[:500]}\n  wanted {str(wanted)[:500]}")


def skip_without(error):
    """Ends the script when an import failed: the test is skipped, loudly."""
    print(f"SKIPPED: {sys.executable} lacks a package ({error}); "
          "configure with -DSTKIT_PYTHON=<interpreter> to run this test")
    sys.exit(77)


def finish(label):
    print(f"{label}: {failures} failures")
    sys.exit(1 if failures else 0)


def stkit(program, *arguments, may_warn=False):
    """Runs the program, which must end well; returns what it printed."""
    done = subprocess.run([program, *map(str, arguments), "--no-sync"], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if not (may_warn and line.startswith("warning: "))]
    expect(" ".join(map(str, arguments)), (done.returncode, said), (0, []))
    return done.stdout


def probe(program, path, *key):
    """The tensors of a model as stkit reads them: {name: (dtype, shape, bytes)}, or why it does not."""
    done = subprocess.run([program, str(path), *key], capture_output=True)
    if done.returncode != 0:
        return done.stderr.decode()
    found, rest = {}, done.stdout
    while rest:
        line, rest = rest.split(b"\n", 1)
        name, dtype, shape, size = line.decode().split(" ")
        found[bytes.fromhex(name).decode()] = (
            dtype, [int(d) for d in shape.split(",") if d], rest[:int(size)])
        rest = rest[int(size):]
    return found
