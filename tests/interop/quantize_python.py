"""Holds the files of `stkit quantize` against the gguf package and NumPy.

usage: quantize_python.py GGUF_PROBE STKIT

The package reads them, dequantizes every block to the very floats of the library's own decoder, and
the errors that --json reports are those that NumPy computes (T33, T37). Skipped, with a word, where
the packages are not there.
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

from oracle import expect, finish, skip_without

try:
    import gguf
    import numpy as np
except ImportError as error:
    skip_without(error)

TYPES = ["q2k", "q3k", "q4_0", "q4k", "q4_1", "q5_0", "q5k", "q5_1", "q6k", "q8_0", "iq4_nl", "iq4_xs", "mxfp4"]
ROWS, COLUMNS = 24, 1024


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE).stdout


def write_model(path):
    """Weights of several spreads, as F32, F16 and BF16; a norm, and rows that are no whole blocks."""
    random = np.random.default_rng(7)
    spread = np.exp2(random.integers(-8, 3, (ROWS, 1)))
    normal = (random.standard_normal((ROWS, COLUMNS)) * spread).astype(np.float32)
    outliers = normal.copy()
    outliers[:, ::97] *= 40
    bf16 = (normal.view(np.uint32) & 0xFFFF0000).view(np.float32)
    tensors = {
        "normal.weight": ("F32", normal, normal.tobytes()),
        "outliers.weight": ("F16", outliers.astype(np.float16).astype(np.float32), outliers.astype(np.float16).tobytes()),
        "bf16.weight": ("BF16", bf16, (bf16.view(np.uint32) >> 16).astype(np.uint16).tobytes()),
        "odd.weight": ("F32", normal[:, :288].copy(), normal[:, :288].tobytes()),
        "norm.weight": ("F32", normal[0], normal[0].tobytes()),
    }
    header, data = {}, b""
    for name, (dtype, values, content) in tensors.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": offsets}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return {name: values for name, (_, values, _) in tensors.items()}


def check_errors(what, reported, original, decoded):
    x, y = original.astype(np.float64).ravel(), decoded.astype(np.float64).ravel()
    rmse = np.sqrt(np.mean((x - y) ** 2))
    norms = np.sqrt(np.sum(x * x) * np.sum(y * y))
    computed = {
        "rmse": rmse,
        "relative_rmse": rmse / np.sqrt(np.mean(x * x)),
        "cosine_similarity": np.sum(x * y) / norms,
        "max_abs_error": np.max(np.abs(x - y)),
    }
    for key, value in computed.items():
        expect("%s: %s is near %r" % (what, key, value), abs(reported[key] - value) <= 1e-6, True)


def check_type(probe, stkit, model, originals, isq, folder):
    path = folder / (isq + ".gguf")
    report = json.loads(run(stkit, "quantize", model, "-o", path, "--isq", isq, "--verify", "--json", "-q"))
    reported = {tensor["name"]: tensor for tensor in report["tensors"]}
    run(probe, "decode", path, folder / "decoded")
    ours = np.fromfile(folder / "decoded", np.float32)
    for tensor in gguf.GGUFReader(path).tensors:
        theirs = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32).ravel()
        mine, ours = ours[: theirs.size], ours[theirs.size :]
        what = "%s as %s" % (tensor.name, tensor.tensor_type.name)
        expect(what + ": the same floats", theirs.tobytes() == mine.tobytes(), True)
        expect(what + ": its type", tensor.tensor_type.name, reported[tensor.name]["to"])
        expect(what + ": its shape", list(reversed(tensor.shape.tolist())), list(originals[tensor.name].shape))
        check_errors(what, reported[tensor.name], originals[tensor.name], theirs)
    expect(isq + ": floats that are left over", ours.size, 0)


def main():
    probe, stkit = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        originals = write_model(folder / "model.safetensors")
        for isq in TYPES:
            check_type(probe, stkit, folder / "model.safetensors", originals, isq, folder)
    finish("%d types, %d tensors each" % (len(TYPES), len(originals)))


if __name__ == "__main__":
    main()
