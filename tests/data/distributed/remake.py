"""Writes the checkpoints in this folder again; they were made with torch 2.13 on two and on six
processes of one machine.

    remake.py [FOLDER]

Element i of a tensor is 100 * k + i, where k is its place in SHAPES.
"""

import os
import pathlib
import sys
import tempfile

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
import torch.multiprocessing as mp
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict import get_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

SHAPES = {"up.weight": (7, 4), "up.bias": (7,), "down.weight": (3, 7), "steps": ()}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up = torch.nn.Linear(4, 7)
        self.down = torch.nn.Linear(7, 3, bias=False)
        self.register_buffer("steps", torch.tensor(0))
        for place, (name, shape) in enumerate(SHAPES.items()):
            values = 100 * place + torch.arange(max(1, torch.Size(shape).numel())).reshape(shape)
            self.get_submodule(name.rpartition(".")[0]).__getattr__(name.rpartition(".")[2]).data = \
                values if name == "steps" else values.float()

    def forward(self, x):
        return self.down(self.up(x))


# Names of folders go into the files, so that all of them are relative.
def save_1d(rank):
    model = Net()
    fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    weights, moments = get_state_dict(model, optimizer)
    dcp.save({"app": {"model": weights, "optim": moments}}, checkpoint_id="dcp")
    dcp.save({"w": weights["down.weight"], "steps": weights["steps"]},
             storage_writer=HuggingFaceStorageWriter("safetensors", save_distributed=True))


def save_2d(rank):
    mesh = init_device_mesh("cpu", (3, 2), mesh_dim_names=("dp", "tp"))
    model = Net()
    parallelize_module(model, mesh["tp"], {"up": ColwiseParallel(), "down": RowwiseParallel()})
    fully_shard(model, mesh=mesh["dp"])
    os.makedirs("ranks", exist_ok=True)
    torch.save(model.state_dict(), f"ranks/model_world_size_6_rank_{rank}.pt")


def run(rank, processes, save, folder, meeting):
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank,
                            world_size=processes)
    os.chdir(folder)
    save(rank)
    dist.destroy_process_group()


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    folder = folder if folder.is_dir() else folder.parent
    with tempfile.TemporaryDirectory() as scratch:
        for processes, save in ((2, save_1d), (6, save_2d)):
            mp.spawn(run, (processes, save, str(folder), f"{scratch}/{processes}"), nprocs=processes)


if __name__ == "__main__":
    main()
