"""Runs every command that README.md shows with its output, and compares.

usage: check_readme.py BINARY COMPILED_EXAMPLE [--record]

A block that starts with "```console" holds lines "$ command" and, below each, exactly what it
prints (stdout and stderr together; "exit code N" as the last line when it is not 0). Commands run
in the root of the tree; ./tools/stkit.sh stands for BINARY. The C++ block must be, line for line,
part of the consumer's source, which tests/consumer compiles. --record writes what commands print
into README.md instead of comparing.
"""

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


CONSOLE_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CPP_BLOCK = re.compile(r"^```cpp\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(block):
    """(command, expected output) of each prompt line."""
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


def record(text, binary):
    def recorded(match):
        shown = [(command, run(command, binary)) for command, _ in examples(match.group(1))]
        return "```console\n%s```" % "\n".join("$ %s\n%s\n" % example for example in shown)

    return CONSOLE_BLOCK.sub(recorded, text)


def check(text, binary, source):
    shown = [example for block in CONSOLE_BLOCK.findall(text) for example in examples(block)]
    if not shown:
        yield "it shows no command"
    for command, expected in shown:
        actual = run(command, binary)
        if actual != expected:
            lines = difflib.unified_diff(
                expected.split("\n"), actual.split("\n"), "README.md", "what it prints", lineterm=""
            )
            yield "$ %s\n%s" % (command, "\n".join(lines))
    for block in CPP_BLOCK.findall(text):
        if block not in source:
            yield "the C++ example is not part of the compiled one"


def main():
    binary, example, *mode = sys.argv[1:]
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    if mode == ["--record"]:
        readme.write_text(record(text, binary), encoding="utf-8")
        return 0
    problems = list(check(text, binary, Path(example).read_text()))
    for problem in problems:
        print("README.md:", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
