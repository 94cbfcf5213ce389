"""Holds the GGUF reader and writer against the `gguf` package of llama.cpp.

    gguf_python.py <gguf_probe>

What the package writes, with every type of value and of tensor, is read the same by us; what we
write of it is byte for byte the package's file, and its parts are read by the package.
"""

import pathlib
import random
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

# In memory only: no file holds them.
IN_MEMORY = {"Q8_1", "Q8_K"}
PLAIN = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "I8": np.int8, "I16": np.int16,
         "I32": np.int32, "I64": np.int64}

# name, type of the format, value, as the probe prints it
SCALARS = [("u8", "UINT8", 255, "255"), ("i8", "INT8", -128, "-128"),
           ("u16", "UINT16", 65535, "65535"), ("i16", "INT16", -32768, "-32768"),
           ("u32", "UINT32", 2**32 - 1, "4294967295"), ("i32", "INT32", -2**31, "-2147483648"),
           ("f32", "FLOAT32", 1.5, "3fc00000"), ("bool", "BOOL", True, "1"),
           ("string", "STRING", "wörld\n", "wörld\n".encode().hex()),
           ("u64", "UINT64", 2**64 - 1, "18446744073709551615"),
           ("i64", "INT64", -2**63, "-9223372036854775808"),
           ("f64", "FLOAT64", -0.5, "bfe0000000000000")]
ARRAYS = [("u8", "UINT8", "B", [0, 255]), ("i8", "INT8", "b", [-128, 127]),
          ("u16", "UINT16", "H", [1, 65535]), ("i16", "INT16", "h", [-32768]),
          ("u32", "UINT32", "I", [1, 2, 2**32 - 1]), ("i32", "INT32", "i", [-1, 0]),
          ("f32", "FLOAT32", "f", [0.5, -0.0]), ("bool", "BOOL", "?", [True, False]),
          ("u64", "UINT64", "Q", [2**64 - 1]), ("i64", "INT64", "q", [-2**63]),
          ("f64", "FLOAT64", "d", [1e300])]


def write_reference(path, alignment):
    """Writes a file with the package; returns the lines that a dump of it should have."""
    rng = random.Random(alignment)
    writer = gguf.GGUFWriter(path, "llama")
    lines = [f"key {b'general.architecture'.hex()} string {b'llama'.hex()}"]

    def add(key, value, kind, sub_type, text):
        writer.add_key_value(key, value, getattr(gguf.GGUFValueType, kind), sub_type=sub_type)
        lines.append(f"key {key.encode().hex()} {text}")

    if alignment != 32:
        writer.add_custom_alignment(alignment)
        lines.append(f"key {b'general.alignment'.hex()} u32 {alignment}")
    for name, kind, value, text in SCALARS:
        add(f"scalar.{name}", value, kind, None, f"{name} {text}")
    for name, kind, code, values in ARRAYS:
        data = struct.pack(f"<{len(values)}{code}", *values).hex()
        add(f"array.{name}", values, "ARRAY", getattr(gguf.GGUFValueType, kind),
            f"array {name} {len(values)} {data}")
    words = [f"token {i} é" for i in range(1000)] + [""]
    add("array.string", words, "ARRAY", gguf.GGUFValueType.STRING,
        f"array string {len(words)} " + " ".join(word.encode().hex() for word in words))

    tensors = []
    for kind, (block, size) in gguf.GGML_QUANT_SIZES.items():
        if kind.name in IN_MEMORY:
            continue
        shape = [3, 2, 2 * block]
        if kind.name in PLAIN:
            data = np.frombuffer(rng.randbytes(12 * size), dtype=PLAIN[kind.name]).reshape(shape)
            writer.add_tensor(kind.name, data)
        else:
            data = np.frombuffer(rng.randbytes(12 * size), dtype=np.uint8).reshape(3, 2, 2 * size)
            writer.add_tensor(kind.name, data, raw_dtype=kind)
        tensors.append((kind.name, shape, 12 * size))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return lines, tensors


def run(probe, *arguments):
    done = subprocess.run([probe, *map(str, arguments)], capture_output=True, text=True)
    expect(f"gguf_probe {arguments[0]}", (done.returncode, done.stderr), (0, ""))
    return done.stdout.splitlines()


def check_file(probe, folder, alignment):
    path, again = folder / f"reference-{alignment}.gguf", folder / f"again-{alignment}.gguf"
    lines, tensors = write_reference(path, alignment)
    dump = run(probe, "dump", path)
    expect("metadata", [line for line in dump if line.startswith("key")], lines)

    reader = gguf.GGUFReader(path)
    offsets = {tensor.name: tensor.data_offset for tensor in reader.tensors}
    wanted = [f"tensor {name.encode().hex()} {name} {''.join(f'{d},' for d in shape)} "
              f"{offsets[name]} {size}" for name, shape, size in tensors]
    expect("tensors", [line for line in dump if line.startswith("tensor")], wanted)

    run(probe, "copy", path, again)
    expect(f"the bytes of a copy aligned to {alignment}", again.read_bytes() == path.read_bytes(),
           True)
    print(f"alignment {alignment}: {len(lines)} keys and {len(tensors)} tensors, the same bytes")
    return path


def check_parts(probe, folder, path):
    whole = {tensor.name: bytes(tensor.data.tobytes()) for tensor in gguf.GGUFReader(path).tensors}
    limit = path.stat().st_size * 2 // 3
    run(probe, "split", path, folder / "part", limit)
    parts = sorted(folder.glob("part-*.gguf"))
    found = {}
    for number, part in enumerate(parts):
        expect("the name of a part", part.name, f"part-{number + 1:05d}-of-{len(parts):05d}.gguf")
        expect("a part's size is within the limit", part.stat().st_size <= limit, True)
        reader = gguf.GGUFReader(part)
        for key, kind, value in (("split.no", "UINT16", number),
                                 ("split.count", "UINT16", len(parts)),
                                 ("split.tensors.count", "INT32", len(whole))):
            field = reader.fields[key]
            expect(key, (field.types[0].name, field.contents()), (kind, value))
        found.update((tensor.name, bytes(tensor.data.tobytes())) for tensor in reader.tensors)
    expect("more than one part", len(parts) > 1, True)
    expect("the tensors of all parts", found == whole, True)
    print(f"{len(parts)} parts hold the {len(whole)} tensors")


def main():
    probe = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        paths = [check_file(probe, folder, alignment) for alignment in (32, 64, 4096)]
        check_parts(probe, folder, paths[0])
    finish("gguf")


if __name__ == "__main__":
    main()
