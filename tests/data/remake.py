"""Runs make-tiny-model.py again and compares every byte with what is in the tree."""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPT = HERE.parent.parent / "tools/dev/make-tiny-model.py"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


with tempfile.TemporaryDirectory() as scratch:
    subprocess.run([sys.executable, str(SCRIPT), scratch], check=True)
    made, kept = contents(Path(scratch)), contents(HERE / "tiny-model")

different = sorted(name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name))
if different:
    sys.exit("tests/data/tiny-model is not what tools/dev/make-tiny-model.py makes: " + ", ".join(different))
