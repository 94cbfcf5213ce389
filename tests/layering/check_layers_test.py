"""Proves that check_layers.py can fail: a small tree for each rule, sound but for one line."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).with_name("check_layers.py")

SOUND = {
    "include/CMakeLists.txt": "stkit/io.h",
    "include/stkit/io.h": '#include <span>\n#include "stkit/error.h"\n',
    "src/CMakeLists.txt": "base/json_reader.cc base/digest.cc kernels/stats.cc model/model.cc ops/inspect/inspect.cc",
    "src/base/json_reader.cc": "#include <simdjson.h>\n#include <fmt/format.h>\n",
    "src/base/digest.cc": "#include <openssl/evp.h>\n#include <sys/stat.h>\n",
    "src/kernels/stats.cc": '#include "hwy/highway.h"\n#include "base/check.h"\n',
    "src/model/model.cc": '#include "formats/safetensors_reader.h"\n#include "model/bundle.h"\n',
    "src/ops/inspect/inspect.cc": '#include "ops/inspect/profile.h"\n#include "kernels/stats.h"\n',
    "tools/stkit/CMakeLists.txt": "main.cc",
    "tools/stkit/main.cc": '#include <CLI/CLI.hpp>\n#include "stkit/io.h"\n#include "terminal.h"\n',
    "tests/unit/base/CMakeLists.txt": "stkit_unit_test(base digest_test.cc)",
    "tests/unit/base/digest_test.cc": "#include <gtest/gtest.h>\n",
}

# name, file, its text, what the message must say
FAULTS = [
    ("upward", "src/base/digest.cc", '#include "io/file.h"\n', "src/base/digest.cc:1: src/base may not include src/io"),
    ("second line", "src/base/digest.cc", '\n#include "io/file.h"\n', "src/base/digest.cc:2:"),
    ("indented", "src/base/digest.cc", ' #  include "io/file.h"\n', "src/base/digest.cc:1:"),
    ("siblings", "src/kernels/stats.cc", '#include "io/file.h"\n', "src/kernels may not include src/io"),
    ("two commands", "src/ops/inspect/inspect.cc", '#include "ops/validate/checks.h"\n', "commands do not"),
    ("program into src", "tools/stkit/main.cc", '#include "base/check.h"\n', "sees include/stkit"),
    ("public into src", "include/stkit/io.h", '#include "base/check.h"\n', "a public header includes"),
    ("fmt in public", "include/stkit/io.h", "#include <fmt/format.h>\n", "<fmt/format.h> belongs in"),
    ("simdjson astray", "src/model/model.cc", "#include <simdjson.h>\n", "<simdjson.h> belongs in"),
    ("simdjson in quotes", "src/model/model.cc", '#include "simdjson.h"\n', "<simdjson.h> belongs in"),
    ("highway astray", "src/model/model.cc", '#include "hwy/highway.h"\n', "<hwy/highway.h> belongs in"),
    ("libcurl astray", "src/model/model.cc", "#include <curl/curl.h>\n", "<curl/curl.h> belongs in"),
    ("openssl astray", "src/model/model.cc", "#include <openssl/sha.h>\n", "<openssl/sha.h> belongs in"),
    ("CLI11 in the library", "src/model/model.cc", "#include <CLI/CLI.hpp>\n", "<CLI/CLI.hpp> belongs in"),
    ("spdlog in the library", "src/model/model.cc", "#include <spdlog/spdlog.h>\n", "belongs in tools/stkit/"),
    ("unknown library", "src/model/model.cc", "#include <boost/any.hpp>\n", "no header of the standard"),
    ("unknown layer", "src/helpers/x.h", '#include "base/check.h"\n', "src/helpers is no layer"),
    ("no layer in front", "src/model/model.cc", '#include "bundle.h"\n', 'included as "<layer>/<file>"'),
    ("unlisted test", "tests/unit/base/glob_test.cc", "", "glob_test.cc: no CMakeLists.txt names it"),
    ("unlisted source", "src/base/glob.cc", "", "src/base/glob.cc: no CMakeLists.txt names it"),
    ("unlisted header", "include/stkit/model.h", "", "stkit/model.h: no CMakeLists.txt names it"),
]


def check(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        run = subprocess.run([sys.executable, str(SCRIPT), root], stdout=subprocess.PIPE)
        return run.returncode, run.stdout.decode()


class CheckLayers(unittest.TestCase):
    def test_a_sound_tree_passes(self):
        self.assertEqual(check(SOUND), (0, ""))

    def test_each_fault_is_named(self):
        for name, path, text, message in FAULTS:
            with self.subTest(name):
                status, output = check({**SOUND, path: text})
                self.assertEqual(status, 1, output)
                self.assertIn(message, output)
                self.assertEqual(output.count("\n"), 1, output)


if __name__ == "__main__":
    unittest.main()
