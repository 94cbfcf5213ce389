"""Reads every #include and names, by file and line, each one that points the wrong way.

usage: check_layers.py [ROOT]

The layers are those of src/ARCHITECTURE.md. Also fails for a test or public header that no CMake
list names, since that would silently never be built.
"""

import re
import sys
from pathlib import Path

# What each layer may include besides itself, the public headers and the standard library.
LAYERS = {
    "base": [],
    "html": ["base"],
    "io": ["base"],
    "tensor": ["base"],
    "formats": ["io", "tensor", "base"],
    "model": ["formats", "io", "tensor", "base"],
    "kernels": ["tensor", "base"],
    "quant": ["kernels", "tensor", "base"],
    "hub": ["io", "base"],
    "pipeline": ["model", "io", "tensor", "base"],
    "gguf_export": ["model", "formats", "quant", "kernels", "tensor", "base"],
    "ops": ["html", "model", "formats", "kernels", "quant", "hub", "pipeline", "gguf_export", "io", "tensor", "base"],
}

# Third-party headers, and the only places that may name them (a folder ends in a slash).
THIRD_PARTY = {
    "simdjson": ["src/base/json_reader.cc"],
    "hwy/": ["src/kernels/"],
    "openssl/": ["src/base/digest.cc"],
    "zlib.h": ["src/formats/inflate.cc"],
    "curl/": ["src/hub/http.cc"],
    "CLI/": ["tools/stkit/"],
    "spdlog/": ["tools/stkit/"],
    "fmt/": ["src/", "tools/stkit/"],
}

GENERATED = {"version_config.h"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">]', re.MULTILINE)
SOURCES = {".h", ".cc", ".inc"}


def forbidden(path, quote, target):
    """Why `path` may not include `target`; None when it may. Both are relative, with slashes."""
    for prefix, places in THIRD_PARTY.items():
        if target.startswith(prefix):
            if path.startswith(tuple(places)):
                return None
            return "<%s> belongs in %s alone" % (target, " and ".join(places))
    if quote == "<":
        # The standard library's headers have no suffix, the system's end in .h.
        if target.endswith(".h") or re.fullmatch(r"[a-z_]+", target):
            return None
        return "<%s> is no header of the standard library or the system" % target
    if target.startswith("stkit/") or target in GENERATED:
        return None
    if path.startswith("include/"):
        return 'a public header includes "stkit/..." and the standard library only'
    if path.startswith("tools/"):
        return "the program sees include/stkit, not src/" if target.split("/")[0] in LAYERS else None
    return forbidden_between_layers(path, target)


def forbidden_between_layers(path, target):
    layer, *rest = path.split("/")[1:]
    to, *to_rest = target.split("/")
    if layer not in LAYERS:
        return "src/%s is no layer; add it to the table of tests/layering and src/ARCHITECTURE.md" % layer
    if to not in LAYERS:
        return 'a header of src/ is included as "<layer>/<file>"'
    if to == layer == "ops" and len(to_rest) > 1 and to_rest[0] != rest[0]:
        return "commands do not include each other"
    if to == layer or to in LAYERS[layer]:
        return None
    return "src/%s may not include src/%s" % (layer, to)


def sources(root, *folders):
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCES and path.is_file():
                yield path, path.relative_to(root).as_posix()


def check_includes(root):
    for path, name in sources(root, "include", "src", "tools"):
        text = path.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            reason = forbidden(name, *match.groups())
            if reason:
                line = text.count("\n", 0, match.start()) + 1
                yield "%s:%d: %s" % (name, line, reason)


def check_lists(root):
    """Every source, test and public header is named by a CMake list at or above its folder."""
    for path, name in sources(root, "include", "src", "tools", "tests"):
        if path.suffix == ".cc" or name.startswith("include/"):
            if not any(path.name in names for names in lists_above(root, path)):
                yield "%s: no CMakeLists.txt names it, so it is never built" % name


def lists_above(root, path):
    """The file names in each CMake list from the file's own folder up to the root."""
    for folder in path.parents:
        cmake = folder / "CMakeLists.txt"
        if cmake.is_file():
            text = cmake.read_text()
            yield {word.rsplit("/", 1)[-1] for word in re.findall(r"[\w./+-]+", text)}
            yield {name + "_fuzz.cc" for name in re.findall(r"stkit_fuzz_target\((\w+)", text)}
        if folder == root:
            return


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    problems = [*check_includes(root), *check_lists(root)]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
