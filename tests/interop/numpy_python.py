"""Holds the reader of NumPy's files against NumPy itself.

    numpy_python.py <torch_probe>

What numpy.save, savez and savez_compressed write is read element for element as numpy.load reads it.
"""

import os
import pathlib
import random
import sys
import tempfile

from oracle import expect, finish, probe, skip_without

try:
    import numpy as np
except ImportError as error:
    skip_without(error)

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None
    print("NOTE: without ml_dtypes bfloat16 is not compared")

NAMES = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64", "int32": "I32",
         "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL", "uint16": "U16",
         "uint32": "U32", "uint64": "U64", "complex64": "C64", "bfloat16": "BF16"}


def wanted(arrays):
    """Little-endian and in row-major order, whatever the array is."""
    return {name: (NAMES[array.dtype.name], list(array.shape),
                   np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
            for name, array in arrays.items()}


def arrays(rng):
    found = {}
    for kind in NAMES:
        if kind == "bfloat16" and ml_dtypes is None:
            continue
        dtype = np.dtype(getattr(ml_dtypes, kind) if kind == "bfloat16" else kind)
        for shape in ((), (0, 3), (7,), (5, 6), (3, 4, 5)):
            count = int(np.prod(shape, dtype=np.int64))
            raw = np.frombuffer(rng.randbytes(count * dtype.itemsize), dtype=np.uint8)
            array = (raw & 1 if kind == "bool" else raw).view(dtype).reshape(shape)
            name = f"{kind}/{'x'.join(map(str, shape)) or 'scalar'}"
            found[name] = array
            found[name + ".fortran"] = np.asfortranarray(array)
            if kind != "bfloat16":
                found[name + ".big"] = array.astype(dtype.newbyteorder(">"))
    found["größe"] = np.arange(3)
    return found


def check_archives(program, folder, rng):
    some = arrays(rng)
    large = {"large": np.frombuffer(rng.randbytes(3_000_000), dtype="<f4").reshape(750, 1000),
             "turned": np.asfortranarray(np.arange(1_000_000, dtype="<i4").reshape(800, 1250)),
             "zeros": np.zeros(4_000_000, dtype="<f4")}
    for save in (np.savez, np.savez_compressed):
        for name, content in (("some", some), ("large", large)):
            path = folder / f"{save.__name__}-{name}.npz"
            save(path, **content)
            expect(path.name, probe(program, path), wanted(content))
    for version in ((1, 0), (2, 0), (3, 0)):
        path = folder / f"one-{version[0]}.npy"
        with open(path, "wb") as file:
            np.lib.format.write_array(file, some["float32/5x6.fortran"], version=version)
        expect(path.name, probe(program, path), wanted({path.stem: some["float32/5x6"]}))


def check_refusals(program, folder):
    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {folder}/was-run",)

    weights = np.ones(3, "f4")
    np.savez(folder / "object.npz", w=weights, o=np.array([Attack()], dtype=object))
    expect("an attack", "system" in str(probe(program, folder / "object.npz")), True)
    expect("an attack's file", (folder / "was-run").exists(), False)
    for name, array, part in (("records", np.zeros(2, [("a", "f4"), ("b", "i4")]), "records"),
                              ("complex", np.zeros(2, "c16"), "c16"),
                              ("time", np.zeros(2, "M8[s]"), "M8[s]"),
                              ("long", np.zeros(2, np.longdouble), "f16")):
        np.savez(folder / f"{name}.npz", w=weights, x=array)
        expect(name, part in str(probe(program, folder / f"{name}.npz")), True)
    np.savez(folder / "text.npz", w=weights, x=np.array(["a", "bc"]))
    expect("text", probe(program, folder / "text.npz"), wanted({"w": weights}))


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_archives(program, folder, random.Random(1))
        check_refusals(program, folder)
    finish(f"numpy {np.__version__}")


if __name__ == "__main__":
    main()
