"""What the tests against PyTorch share: tensors as bytes, and the models that stkit reads."""

import subprocess
import sys

try:
    import torch
except ImportError as error:
    print(f"SKIPPED: {sys.executable} lacks a package ({error}); "
          "configure with -DSTKIT_PYTHON=<interpreter> to run this test")
    sys.exit(77)

NAMES = {"float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16", "int64": "I64",
         "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
         "uint16": "U16", "uint32": "U32", "uint64": "U64", "complex64": "C64",
         "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e4m3fnuz": "F8_E4M3FNUZ",
         "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0"}

failures = 0


def expect(what, found, wanted):
    global failures
    if found != wanted:
        failures += 1
        print(f"FAILED: {what}:\n  found  {str(found)[:500]}\n  wanted {str(wanted)[:500]}")


def finish():
    print(f"torch {torch.__version__}: {failures} failures")
    sys.exit(1 if failures else 0)


def raw(tensor):
    """The elements in row-major order, as bytes."""
    tensor = tensor.detach().contiguous().clone()
    return bytes(tensor.untyped_storage())[:tensor.numel() * tensor.element_size()]


def wanted(tensors):
    return {name: (NAMES[str(tensor.dtype).removeprefix("torch.")], list(tensor.shape), raw(tensor))
            for name, tensor in tensors.items()}


def probe(program, path, *key):
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
