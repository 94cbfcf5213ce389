"""Holds merge against the `safetensors` package, with NumPy and, where it is there, torch.

    merge_python.py <stkit>

Models of many dtypes, shapes and shardings are written by the package. What stkit merges, shards
anew and casts is read by the package: the same tensors, the same metadata, and for one file the very
bytes that the package writes of them. A cast is what torch's .to() makes of the values.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile

from oracle import expect, finish, skip_without, stkit

try:
    import numpy as np
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file
except ImportError as error:
    skip_without(error)

try:
    import torch
    from safetensors.torch import load_file as load_torch, save_file as save_torch
except ImportError:
    torch = None
    print("NOTE: without torch bf16, f8 and casts are not compared")

NUMPY_TYPES = [np.float64, np.float32, np.float16, np.int64, np.int32, np.int16, np.int8, np.uint64,
               np.uint32, np.uint16, np.uint8, np.bool_]
SHAPES = [(), (0,), (1,), (3, 5), (0, 4), (17,), (2, 3, 4), (64, 65), (1, 1, 1, 1)]
METADATA = {"format": "pt"}


def random_numpy(rng, kind, shape):
    count = int(np.prod(shape, dtype=np.int64))
    raw = np.frombuffer(rng.randbytes(count * np.dtype(kind).itemsize), dtype=np.uint8)
    if kind is np.bool_:
        raw = raw & 1
    return raw.view(kind).reshape(shape)


def random_tensors(rng, number):
    names = [f"layers.{i}.{word}" for i in range(number) for word in ("weight", "größe", "偏置")]
    return {name: random_numpy(rng, rng.choice(NUMPY_TYPES), rng.choice(SHAPES)) for name in names}


def write_shards(folder, tensors, shards, save):
    """As the Hub's tools do: an index names the shard of each tensor."""
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama", "torch_dtype": "float32"}')
    names, weight_map = list(tensors), {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors" if shards > 1 else "model.safetensors"
        own = names[shard::shards]
        save({name: tensors[name] for name in own}, folder / file, metadata=METADATA)
        weight_map.update(dict.fromkeys(own, file))
    if shards > 1:
        total = sum(tensor.nbytes for tensor in tensors.values())
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def read_folder(folder, load):
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors.update(load(file))
    return tensors


def same_numpy(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def check_folder(what, folder, tensors, load, same):
    found = read_folder(folder, load)
    expect(f"{what}: names", sorted(found), sorted(tensors))
    different = [name for name in tensors if name in found and not same(found[name], tensors[name])]
    expect(f"{what}: tensors that differ", different, [])
    index = folder / "model.safetensors.index.json"
    if index.exists():
        for name, file in json.loads(index.read_text())["weight_map"].items():
            with safe_open(folder / file, "np") as shard:
                expect(f"{what}: '{name}' is in {file}", name in shard.keys(), True)


def check_model(program, root, tensors, shards, save, load, same):
    write_shards(root / "source", tensors, shards, save)
    stkit(program, "merge", root / "source", "-o", root / "merged")
    check_folder("merged", root / "merged", tensors, load, same)
    with safe_open(root / "merged/model.safetensors", "np") as file:
        expect("metadata", file.metadata(), METADATA)
    save(tensors, root / "package.safetensors", metadata=METADATA)
    expect("the bytes that the package writes",
           (root / "merged/model.safetensors").read_bytes() == (root / "package.safetensors").read_bytes(),
           True)
    stkit(program, "merge", root / "merged", "-o", root / "sharded", "--max-shard-size", "20KB")
    check_folder("sharded", root / "sharded", tensors, load, same)
    stkit(program, "merge", root / "sharded", "-o", root / "again", "--align", "4096")
    check_folder("merged again, aligned", root / "again", tensors, load, same)
    print(f"{shards} shards, {len(tensors)} tensors: merged, sharded and merged again")


def check_numpy(program, root, rng):
    for shards in (1, 2, 7, 40):
        folder = root / f"numpy-{shards}"
        folder.mkdir()
        check_model(program, folder, random_tensors(rng, 16), shards, save_file, load_file, same_numpy)


def same_torch(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(
        a.contiguous().reshape(-1).view(torch.uint8), b.contiguous().reshape(-1).view(torch.uint8))


def check_torch(program, root, rng):
    kinds = [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.float8_e4m3fn,
             torch.float8_e5m2, torch.int64, torch.uint8]
    tensors = {}
    for number in range(40):
        kind, shape = rng.choice(kinds), [n for n in rng.choice(SHAPES)]
        count = int(np.prod(shape, dtype=np.int64))
        data = torch.tensor(list(rng.randbytes(count * kind.itemsize)), dtype=torch.uint8)
        tensors[f"layers.{number}.weight"] = data.view(kind).reshape(shape)
    folder = root / "torch"
    folder.mkdir()
    check_model(program, folder, tensors, 3, save_torch, load_torch, same_torch)


def same_values(a, b):
    """Every bit, but that NaNs may carry any payload."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if not a.is_floating_point():
        return torch.equal(a, b)
    bits = {2: torch.int16, 4: torch.int32}[a.element_size()]
    return torch.equal(torch.isnan(a), torch.isnan(b)) and torch.equal(
        a.view(bits).masked_fill(torch.isnan(a), 0), b.view(bits).masked_fill(torch.isnan(b), 0))


F32_VALUES = 10_000_000


def check_casts(program, root):
    patterns = torch.arange(65536, dtype=torch.int32).to(torch.int16)
    generator = torch.Generator().manual_seed(1)
    source = {"f16": patterns.view(torch.float16), "bf16": patterns.view(torch.bfloat16),
              "any f32": torch.randint(-2**31, 2**31, (F32_VALUES,), dtype=torch.int64,
                                       generator=generator).to(torch.int32).view(torch.float32),
              "f32 weights": torch.randn(F32_VALUES, generator=generator) * 0.05,
              "steps": torch.arange(5)}
    write_shards(root / "cast", source, 2, save_torch)
    for option, kind, config in (("bf16", torch.bfloat16, "bfloat16"), ("f16", torch.float16, "float16"),
                                 ("f32", torch.float32, "float32")):
        out = root / f"cast-{option}"
        done = subprocess.run([program, "merge", root / "cast", "-o", out, "--dtype", option,
                               "--on-overflow", "inf", "--no-sync"], capture_output=True, text=True)
        expect(f"merge --dtype {option}", done.returncode, 0)
        found = read_folder(out, load_torch)
        for name, tensor in source.items():
            wanted = tensor if name == "steps" else tensor.to(kind)
            expect(f"{name} to {option}", same_values(found[name], wanted), True)
        expect("torch_dtype", json.loads((out / "config.json").read_text())["torch_dtype"], config)
        print(f"--dtype {option}: as torch casts, {2 * F32_VALUES:,} values of f32 among them")


def main():
    program = sys.argv[1]
    rng = random.Random(3)
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        check_numpy(program, root, rng)
        if torch is not None:
            check_torch(program, root, rng)
            check_casts(program, root)
    finish("merge")


if __name__ == "__main__":
    main()
