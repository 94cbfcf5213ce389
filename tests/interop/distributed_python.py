"""Holds what many processes save against PyTorch's own ways of putting it together.

    distributed_python.py <torch_probe>

Real processes on this machine (gloo) save models that FSDP2 and tensor parallelism dealt to them:
with torch.distributed.checkpoint in both of its formats, and each its own file as verl does. What
stkit reads equals dcp_to_torch_save, and the tensors before they were dealt, element for element.
"""

import os
import pathlib
import sys
import tempfile

from oracle import expect, finish, probe
from torch_oracle import torch, wanted

import torch.distributed as dist
import torch.distributed.checkpoint as dcp
import torch.multiprocessing as mp
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
from torch.distributed.checkpoint.state_dict import get_model_state_dict, get_state_dict

try:
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor
    from torch.distributed.tensor.parallel import (ColwiseParallel, RowwiseParallel,
                                                   parallelize_module)
except ImportError as error:
    print(f"SKIPPED: this PyTorch ({torch.__version__}) is too old for the test ({error})")
    sys.exit(77)

PROCESSES = 6


class Net(torch.nn.Module):
    """Sizes that no number of processes divides."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.up = torch.nn.Linear(6, 7)
        self.norm = torch.nn.LayerNorm(7)
        self.down = torch.nn.Linear(7, 5, bias=False)
        self.register_buffer("steps", torch.tensor(7))

    def forward(self, x):
        return self.down(self.norm(self.up(x)))


def odd_tensors():
    generator = torch.Generator().manual_seed(2)
    base = torch.randn(9, 10, generator=generator)
    return {"f32": base, "bf16": base.bfloat16(), "f16": base.half(), "f64": base.double(),
            "i64": torch.arange(90).reshape(9, 10), "bool": base > 0,
            "f8": base.to(torch.float8_e4m3fn), "deep": torch.arange(3 * 5 * 7.0).reshape(3, 5, 7),
            "few": torch.arange(2.0).reshape(2, 1), "one": torch.tensor([3.5]),
            "transposed": base.t()}


def save(folder, state, writer=None):
    dcp.save(state, checkpoint_id=None if writer else str(folder), storage_writer=writer)


def save_of_rank(folder, state, rank):
    folder.mkdir(exist_ok=True)
    torch.save(state, folder / f"model_world_size_{PROCESSES}_rank_{rank}.pt")


def save_fsdp(folder, rank):
    mesh = init_device_mesh("cpu", (PROCESSES,))
    model = Net()
    fully_shard(model.up, mesh=mesh)
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(3, 6)).sum().backward()
    optimizer.step()
    weights, moments = get_state_dict(model, optimizer)
    save(folder / "fsdp", {"app": {"model": weights, "optim": moments}, "step": torch.tensor(3)})
    save(folder / "flat", {**weights, "optimizer": moments, "lr_scheduler": {"step": 1}})
    save(folder / "checkpoint-3" / "pytorch_model_fsdp_0", {"model": weights})
    save(folder / "checkpoint-3" / "optimizer_0", {"optimizer": moments})
    save(folder / "two", {"model": weights, "ema": {name: value * 0 for name, value
                                                     in weights.items() if value.ndim}})
    save_of_rank(folder / "verl", weights, rank)


def save_mesh(folder, rank):
    mesh = init_device_mesh("cpu", (3, 2), mesh_dim_names=("dp", "tp"))
    model = Net()
    parallelize_module(model, mesh["tp"], {"up": ColwiseParallel(), "down": RowwiseParallel()})
    fully_shard(model, mesh=mesh["dp"])
    weights = get_model_state_dict(model)
    save_of_rank(folder / "verl-2d", weights, rank)
    # Of sizes that the mesh divides: PyTorch itself gives the chunks of others wrong places.
    model = torch.nn.Sequential(torch.nn.Linear(8, 12), torch.nn.Linear(12, 6))
    torch.manual_seed(3)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    parallelize_module(model, mesh["tp"], {"0": ColwiseParallel(), "1": RowwiseParallel()})
    fully_shard(model, mesh=mesh["dp"])
    save(folder / "fsdp-2d", {"model": get_model_state_dict(model)})
    replicas = init_device_mesh("cpu", (2, 3), mesh_dim_names=("replica", "shard"))
    model = Net()
    fully_shard(model, mesh=replicas)
    weights = get_model_state_dict(model)
    save(folder / "hsdp", weights)
    save_of_rank(folder / "verl-hsdp", weights, rank)


def save_tensors(folder, rank):
    mesh = init_device_mesh("cpu", (2, 3))
    for name, placements in (("rows", [Shard(0), Replicate()]), ("columns", [Replicate(), Shard(-1)]),
                             ("both", [Shard(0), Shard(-1)]), ("rows-twice", [Shard(0), Shard(0)])):
        state = {key: distribute_tensor(value, mesh, placements if value.ndim > 1 else
                                        [Replicate(), Shard(0)], src_data_rank=None)
                 for key, value in odd_tensors().items()}
        state["plain"] = torch.arange(6)
        state["scalar"] = torch.tensor(2.5)
        save(folder / f"dcp-{name}", state, dcp.FileSystemWriter(
            str(folder / f"dcp-{name}"), single_file_per_rank=name != "both", thread_count=2))
        save_of_rank(folder / f"ranks-{name}", state, rank)
        del state["transposed"]  # safetensors refuses to save it
        save(folder / f"hf-{name}", state, HuggingFaceStorageWriter(
            str(folder / f"hf-{name}"), save_distributed=True,
            fqn_to_index_mapping={key: 1 + i % 2 for i, key in enumerate(state)}))


def run(rank, folder, meeting):
    folder = pathlib.Path(folder)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank,
                            world_size=PROCESSES)
    save_fsdp(folder, rank)
    save_mesh(folder, rank)
    save_tensors(folder, rank)
    dist.destroy_process_group()


def put_together(folder, scratch, *path):
    dcp_to_torch_save(str(folder), str(scratch))
    state = torch.load(scratch, weights_only=False)
    for key in path:
        state = state[key]
    return wanted(state)


def check(program, folder):
    scratch = folder / "scratch.pt"
    trained = put_together(folder / "fsdp", scratch, "app", "model")
    expect("FSDP2", probe(program, folder / "fsdp"), trained)
    expect("a flat dict", probe(program, folder / "flat"), trained)
    expect("a trainer's folder", probe(program, folder / "checkpoint-3"), trained)
    expect("the metadata alone", probe(program, folder / "fsdp" / ".metadata"), trained)
    expect("a file for each process", probe(program, folder / "verl"), trained)
    expect("the optimizer, when it is asked for",
           probe(program, folder / "fsdp", "app.optim.state.up.weight")["exp_avg"][:2],
           ("F32", [7, 6]))
    expect("two models", "'ema', 'model'" in str(probe(program, folder / "two")), True)
    expect("the one that is named", probe(program, folder / "two", "ema"),
           put_together(folder / "two", scratch, "ema"))

    fresh = wanted(Net().state_dict())
    expect("FSDP2 over tensor parallelism, a file for each process",
           probe(program, folder / "verl-2d"), fresh)
    expect("FSDP2 over tensor parallelism", probe(program, folder / "fsdp-2d"),
           put_together(folder / "fsdp-2d", scratch, "model"))
    expect("replicas of shards", probe(program, folder / "hsdp"), fresh)
    expect("replicas of shards, a file for each process", probe(program, folder / "verl-hsdp"),
           fresh)

    tensors = wanted({**odd_tensors(), "plain": torch.arange(6), "scalar": torch.tensor(2.5)})
    saved_by_hf = {key: value for key, value in tensors.items() if key != "transposed"}
    for name in ("rows", "columns", "both", "rows-twice"):
        expect(f"DCP, {name}", probe(program, folder / f"dcp-{name}"), tensors)
        expect(f"dcp_to_torch_save, {name}", put_together(folder / f"dcp-{name}", scratch), tensors)
        expect(f"files of ranks, {name}", probe(program, folder / f"ranks-{name}"), tensors)
        expect(f"DCP in safetensors, {name}", probe(program, folder / f"hf-{name}"), saved_by_hf)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        mp.spawn(run, (name, str(folder / "meeting")), nprocs=PROCESSES)
        check(sys.argv[1], folder)
    finish(f"torch {torch.__version__}")


if __name__ == "__main__":
    main()
