"""Runs every command that README.md shows with its output, and compares.

usage: check_readme.py BINARY COMPILED_EXAMPLE

A block that starts with "```console" holds lines "$ command" and, below each, exactly what it
prints (stdout and stderr together; "exit code N" as the last line when it is not 0). Commands run
in the root of the tree; ./tools/stkit.sh stands for BINARY. The C++ block must be, line for line,
part of the consumer's source, which tests/consumer compiles.
"""

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def blocks(text, language):
    return re.findall(r"^```%s\n(.*?)^```$" % language, text, re.MULTILINE | re.DOTALL)


def examples(text):
    """(command, expected output) of each prompt line."""
    for block in blocks(text, "console"):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = example.partition("\n")
            yield command, output.rstrip("\n")


def run(command, binary):
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
    result = subprocess.run(
        command.replace("./tools/stkit.sh", '"%s"' % binary),
        shell=True, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    output = result.stdout.decode().rstrip("\n")
    if result.returncode:
        output += "\nexit code %d" % result.returncode
    return output


def main():
    binary, example_source = sys.argv[1:]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = list(examples(text))
    if not shown:
        sys.exit("README.md shows no command")
    failures = 0
    for command, expected in shown:
        actual = run(command, binary)
        if actual != expected:
            failures += 1
            print("README.md: $ %s" % command)
            print("\n".join(difflib.unified_diff(expected.split("\n"), actual.split("\n"), "README.md", "actual", lineterm="")))
    source = Path(example_source).read_text()
    for block in blocks(text, "cpp"):
        if block not in source:
            failures += 1
            print("README.md: the C++ example is not what %s holds" % example_source)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
