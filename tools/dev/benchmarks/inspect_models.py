"""inspect and validate on large models."""

import subprocess
import sys

from .measuring import ROOT, Case, measure

CASES = [  # name of the model, arguments in front of it
    ("deepseek", ["inspect"]),
    ("deepseek", ["validate"]),
    ("seven-b", ["inspect"]),
    ("seven-b", ["validate"]),
    ("million", ["inspect", "--max-header", "200MB"]),
]


def bench_inspect(options):
    missing = [name for name, _ in CASES if not (options.models / name).is_dir()]
    if missing:
        script = ROOT / "tools/dev/make-scale-models.py"
        subprocess.run([sys.executable, str(script), str(options.models), *dict.fromkeys(missing)], check=True)
    measure("inspect", [Case(" ".join([*arguments, name]),
                             [str(options.binary), *arguments, str(options.models / name)])
                        for name, arguments in CASES], options.runs)
