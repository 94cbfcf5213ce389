"""Holds the reader of PyTorch files against PyTorch itself.

    torch_python.py <torch_probe>

What torch.save writes, in both forms and at every protocol, is read element for element as
torch.load reads it.
"""

import collections
import json
import os
import pathlib
import sys
import tempfile

from oracle import expect, finish, probe
from torch_oracle import NAMES, torch, wanted


def dtypes():
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for name in NAMES:
        dtype = getattr(torch, name, None)
        if dtype is None:
            continue
        data = torch.randint(0, 2 if name == "bool" else 256, (3, 5 * dtype.itemsize),
                             dtype=torch.uint8, generator=generator)
        tensors[name] = data.view(dtype)
    return tensors


def views():
    base = torch.arange(5 * 7 * 11, dtype=torch.float32).reshape(5, 7, 11)
    return {
        "base": base, "transposed": base.transpose(0, 2), "permuted": base.permute(1, 2, 0),
        "row": base[3], "column": base[:, 2], "element": base[1, 2, 3], "sliced": base[1:4, ::3, 2:9],
        "every other": base[..., ::2], "expanded": base[0, 0].expand(4, 11),
        "expanded columns": base[0, :, :1].expand(7, 6), "one everywhere": torch.ones(()).expand(3, 4),
        "diagonal": base[0].diagonal(), "unfolded": base.flatten().unfold(0, 10, 3),
        "empty": base[:, :0], "flipped": base.flip(0), "bytes": base.clone().view(torch.uint8)[1:3, :, 5:20],
        "complex": torch.view_as_complex(base[..., :10].contiguous().reshape(5, 7, 5, 2)).transpose(0, 1),
        "bf16": base.bfloat16().transpose(0, 1),
        "large": torch.arange(300 * 400).reshape(300, 400).t(),
        "strided": torch.as_strided(base, (6, 4, 3), (5, 2, 11), 3), "näme\n": base[0],
    }


def module():
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(10, 4)
            self.layers = torch.nn.ModuleList([torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4)])
            self.head = torch.nn.Linear(4, 10, bias=False)
            self.head.weight = self.embed.weight
            self.register_buffer("temporary", torch.ones(3), persistent=False)

        def forward(self, x):
            return self.head(self.layers[0](self.embed(x)))

    return Tied()


def trained(model):
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.tensor([1, 2])).sum().backward()
    optimizer.step()
    return optimizer


def check_forms(program, folder, name, tensors):
    for zipped in (True, False):
        for protocol in range(1, 6) if name == "views" else (2,):
            path = folder / f"{name}-{zipped}-{protocol}.pt"
            # What has no storage class of its own, torch writes in the legacy form but cannot read.
            saved = {key: tensor for key, tensor in tensors.items()
                     if zipped or not key.startswith(("float8", "uint")) or key == "uint8"}
            torch.save(collections.OrderedDict(saved), path, pickle_protocol=protocol,
                       _use_new_zipfile_serialization=zipped)
            loaded = torch.load(path, weights_only=False)
            expect(f"{path.name}", probe(program, path), wanted(loaded))


def check_wrappers(program, folder):
    model = module()
    optimizer = trained(model)
    state = model.state_dict()
    lightning = {"epoch": 1, "state_dict": state, "optimizer_states": [optimizer.state_dict()],
                 "lr_schedulers": [], "hyper_parameters": {"lr": 0.1, "kind": "x"},
                 "callbacks": {}, "loops": {"fit_loop": {"state_dict": {}}},
                 "rng": torch.get_rng_state()}
    compiled = {"model": {"_orig_mod." + name: value for name, value in state.items()},
                "optimizer": optimizer.state_dict(), "step": torch.tensor(3)}
    parallel = {"model_state_dict": torch.nn.DataParallel(model).state_dict()}
    two = {"model": state, "ema": {name: value * 0 for name, value in state.items()}}
    for name, saved in (("lightning", lightning), ("compiled", compiled), ("parallel", parallel),
                        ("parameters", dict(model.named_parameters(remove_duplicate=False))
                         | dict(model.named_buffers()))):
        torch.save(saved, folder / name)
        expected = wanted(state)
        if name == "parameters":
            expected = wanted(saved)
        expect(name, probe(program, folder / name), expected)
    torch.save(two, folder / "two")
    expect("a checkpoint of two models", "'model', 'ema'" in str(probe(program, folder / "two")), True)
    expect("the one that is named", probe(program, folder / "two", "ema"), wanted(two["ema"]))
    # Of classes that anybody can load, for a whole module names its classes.
    whole = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), torch.nn.ReLU())
    torch.save(whole, folder / "whole")
    expect("a whole module", probe(program, folder / "whole"), wanted(whole.state_dict()))


def check_refusals(program, folder):
    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {folder}/was-run",)

    torch.save({"w": torch.ones(3), "x": Attack()}, folder / "attack")
    expect("an attack", "'posix.system'" in str(probe(program, folder / "attack")), True)
    expect("an attack's file", (folder / "was-run").exists(), False)
    torch.save({"s": torch.eye(3).to_sparse(), "w": torch.ones(2)}, folder / "sparse")
    expect("a sparse tensor", "a sparse tensor" in str(probe(program, folder / "sparse")), True)
    torch.save({"c": torch.ones(3, dtype=torch.complex64).conj()}, folder / "conj")
    expect("a conjugated view", "conjugated" in str(probe(program, folder / "conj")), True)
    traced = torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))
    torch.jit.save(traced, folder / "script.pt")
    expect("TorchScript", "TorchScript" in str(probe(program, folder / "script.pt")), True)


def check_shards(program, folder):
    folder.mkdir()
    tensors = {f"layer.{i}.weight": torch.full((3, 2), float(i)) for i in range(4)}
    weight_map = {}
    for shard in range(2):
        name = f"pytorch_model-{shard + 1:05}-of-00002.bin"
        part = dict(list(tensors.items())[shard * 2:shard * 2 + 2])
        torch.save(part, folder / name)
        weight_map.update(dict.fromkeys(part, name))
    (folder / "pytorch_model.bin.index.json").write_text(
        json.dumps({"metadata": {"total_size": 96}, "weight_map": weight_map}))
    expect("shards", probe(program, folder), wanted(tensors))


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_forms(program, folder, "dtypes", dtypes())
        check_forms(program, folder, "views", views())
        check_wrappers(program, folder)
        check_refusals(program, folder)
        check_shards(program, folder / "shards")
    finish(f"torch {torch.__version__}")


if __name__ == "__main__":
    main()
