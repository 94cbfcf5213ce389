"""Writes the checkpoints in this folder again; they were made with DeepSpeed 0.19.8 and torch 2.13
by two processes of one machine.

    remake.py [FOLDER]

Element i of a tensor is 10 * k + i, where k is its place in SHAPES: numbers that 16 bits hold.
"""

import os
import pathlib
import sys

os.environ.update(DS_ACCELERATOR="cpu", DS_BUILD_OPS="0", OMP_NUM_THREADS="1")

import deepspeed
import torch
import torch.multiprocessing as mp

SHAPES = {"embed.weight": (5, 3), "up.weight": (7, 3), "up.bias": (7,), "frozen": (3,),
          "positions": (4,)}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        values = {name: 10.0 * place + torch.arange(torch.Size(shape).numel()).reshape(shape)
                  for place, (name, shape) in enumerate(SHAPES.items())}
        self.embed = torch.nn.Embedding(5, 3, _weight=values["embed.weight"])
        self.up = torch.nn.Linear(3, 7)
        self.up.weight.data, self.up.bias.data = values["up.weight"], values["up.bias"]
        self.head = torch.nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight
        self.frozen = torch.nn.Parameter(values["frozen"], requires_grad=False)
        self.register_buffer("positions", values["positions"].long())

    def forward(self, x):
        x = self.embed(x) + self.frozen
        return (self.up(x).sum() + self.head(x).sum()).float()


def run(rank, stages):
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2",
                      MASTER_ADDR="127.0.0.1", MASTER_PORT="29517")
    # It would compile an operator for shared memory; the processes talk by gloo alone.
    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None
    deepspeed.init_distributed(dist_backend="gloo", verbose=False)
    for stage in stages:
        model = Net()
        weights = [model.embed.weight, model.up.weight]
        optimizer = torch.optim.SGD([{"params": weights}, {"params": [model.up.bias]}], lr=0.0)
        engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config={
            "train_micro_batch_size_per_gpu": 1, "bf16": {"enabled": True},
            "zero_optimization": {"stage": stage, "sub_group_size": 20},
            "zero_force_ds_cpu_optimizer": False, "zero_allow_untested_optimizer": True})
        engine.backward(engine(torch.tensor([[1, 2]])))
        engine.step()
        engine.save_checkpoint(f"stage{stage}", tag="step1")
    torch.distributed.destroy_process_group()


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    os.chdir(folder if folder.is_dir() else folder.parent)
    mp.spawn(run, ((0, 1, 2, 3),), nprocs=2)
    for script in pathlib.Path().glob("stage*/zero_to_*.py"):
        script.unlink()  # DeepSpeed's own, which it puts beside each checkpoint


if __name__ == "__main__":
    main()
