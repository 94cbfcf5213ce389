"""Holds merge --pytorch-bin against PyTorch.

    pytorch_bin_python.py <stkit>

What stkit writes, torch.load reads with weights_only=True, mapped and not, and with offsets that it
computes instead of reading them: the tensors that the model has, those that are tied still tied.
"""

import collections
import json
import pathlib
import sys
import tempfile
import zipfile

from oracle import expect, finish, skip_without, stkit
from torch_oracle import raw, torch

try:
    from safetensors.torch import save_file
except ImportError as error:
    skip_without(error)

KINDS = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint64",
         "uint32", "uint16", "uint8", "bool", "complex64", "float8_e4m3fn", "float8_e5m2",
         "float8_e8m0fnu", "float4_e2m1fn_x2"]
SHAPES = [(), (0,), (0, 3), (1,), (3, 5), (17,), (2, 3, 4), (300, 400), (1, 2, 1, 3)]


def beside(folder, name):
    """Outputs do not lie inside of the input."""
    return folder.with_name(f"{folder.name}-{name}")


def content(tensors):
    return {name: (str(tensor.dtype), list(tensor.shape), raw(tensor)) for name, tensor in tensors.items()}


def random_tensors():
    generator = torch.Generator().manual_seed(2)
    tensors = {}
    for kind in KINDS:
        dtype = getattr(torch, kind, None)
        if dtype is None:
            continue
        for number, shape in enumerate(SHAPES):
            size = 1
            for dimension in shape:
                size *= dimension
            data = torch.randint(0, 2 if kind == "bool" else 256, (size * dtype.itemsize,),
                                 dtype=torch.uint8, generator=generator)
            # The safetensors package cannot double the last dimension of what has none.
            if shape or not kind.startswith("float4"):
                tensors[f"{kind}.{number}"] = data.view(dtype).reshape(shape)
    return tensors


def check_archive(path):
    with zipfile.ZipFile(path) as archive:
        expect(f"{path.name}: a record with a wrong CRC-32", archive.testzip(), None)


def load_in_every_way(path):
    yield "read", torch.load(path, weights_only=True)
    yield "mapped", torch.load(path, weights_only=True, mmap=True)
    try:
        config = torch.utils.serialization.config.load
        config.calculate_storage_offsets = True
    except AttributeError:
        return
    try:
        yield "with computed offsets", torch.load(path, weights_only=True, mmap=True)
    finally:
        config.calculate_storage_offsets = False


def check_model(program, folder, tensors):
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    stkit(program, "merge", folder, "-o", beside(folder, "out"), "--pytorch-bin", "--verify")
    path = beside(folder, "out") / "pytorch_model.bin"
    check_archive(path)
    for way, loaded in load_in_every_way(path):
        expect(f"the kind of dict, {way}", type(loaded), collections.OrderedDict)
        expect(f"{way}", content(loaded) == content(tensors), True)
    stkit(program, "merge", path, "-o", beside(folder, "back.safetensors"))
    expect("back again", beside(folder, "back.safetensors").read_bytes() ==
           (folder / "model.safetensors").read_bytes(), True)


def check_shards(program, folder, tensors):
    stkit(program, "merge", folder, "-o", beside(folder, "shards"), "--pytorch-bin",
          "--max-shard-size", "700KB")
    index = json.loads((beside(folder, "shards") / "pytorch_model.bin.index.json").read_text())
    found = {}
    for name in sorted(set(index["weight_map"].values())):
        part = torch.load(beside(folder, "shards") / name, weights_only=True)
        for tensor in part:
            expect(f"the shard of {tensor}", index["weight_map"][tensor], name)
        found.update(part)
    expect("shards", content(found) == content(tensors), True)
    expect("total_size", index["metadata"]["total_size"],
           sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()))


def check_tied(program, folder):
    folder.mkdir()
    weight = torch.randn(30, 20)
    saved = collections.OrderedDict(embed=weight, turned=weight.t(), head=weight, other=weight.clone(),
                                    flat=weight.flatten())
    torch.save(saved, folder / "pytorch_model.bin")
    stkit(program, "merge", folder, "-o", beside(folder, "out"), "--pytorch-bin", may_warn=True)
    for way, loaded in load_in_every_way(beside(folder, "out") / "pytorch_model.bin"):
        expect(f"tied, {way}", content(loaded), content(saved))
        place = {name: tensor.untyped_storage().data_ptr() for name, tensor in loaded.items()}
        expect(f"the head's storage, {way}", place["head"], place["embed"])
        expect(f"the flat one's storage, {way}", place["flat"], place["embed"])
        expect(f"storages, {way}", len(set(place.values())), 3)


def main():
    program = sys.argv[1]
    tensors = random_tensors()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_model(program, folder / "many", tensors)
        check_shards(program, folder / "many", tensors)
        check_tied(program, folder / "tied")
    finish(f"torch {torch.__version__}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
