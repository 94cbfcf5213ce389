"""Holds the reader of DeepSpeed's checkpoints against DeepSpeed itself.

    deepspeed_python.py <torch_probe>

Engines on the CPU (gloo), in 1, 3 and 8 processes, train a model with frozen and tied parameters,
buffers and two groups of odd sizes, at every stage of ZeRO, and save it. What stkit reads equals
what zero_to_fp32.py makes of it, element for element, and lacks nothing that the model has.
"""

import os
import pathlib
import sys
import tempfile

os.environ.update(DS_ACCELERATOR="cpu", DS_BUILD_OPS="0", OMP_NUM_THREADS="1")

from oracle import expect, finish, probe
from torch_oracle import NAMES, torch, wanted

import torch.multiprocessing as mp

try:
    import deepspeed
    import deepspeed.comm.torch
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint
except ImportError as error:
    print(f"SKIPPED: {sys.executable} lacks a package ({error}); install deepspeed with "
          "DS_BUILD_OPS=0 to compare with it")
    sys.exit(77)

STAGES = (0, 1, 2, 3)
PROCESSES = (1, 3, 8)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.embed = torch.nn.Embedding(7, 5)
        self.up = torch.nn.Linear(5, 11)
        self.down = torch.nn.Linear(11, 5)
        self.head = torch.nn.Linear(5, 7, bias=False)
        self.head.weight = self.embed.weight
        self.frozen = torch.nn.Linear(5, 5).requires_grad_(False)
        self.scale = torch.nn.Parameter(torch.tensor([1.5]))
        self.register_buffer("positions", torch.arange(4))
        self.register_buffer("mean", torch.randn(3))

    def forward(self, x):
        x = self.down(torch.relu(self.up(self.frozen(self.embed(x)))))
        return (self.head(x) * self.scale).float().sum()


def train(folder, stage, rank):
    model = Net()
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [{"params": [p for p in trained if p.ndim > 1]},
              {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0}]
    engine, *_ = deepspeed.initialize(
        model=model, optimizer=torch.optim.AdamW(groups, lr=1e-2), config={
            "train_micro_batch_size_per_gpu": 1, "bf16": {"enabled": True},
            # So small that stage 3 cuts its groups into many.
            "zero_optimization": {"stage": stage, "sub_group_size": 40},
            "zero_force_ds_cpu_optimizer": False, "zero_allow_untested_optimizer": True})
    for step in range(2):
        engine.backward(engine(torch.tensor([[rank % 7, 3, step]])))
        engine.step()
    engine.save_checkpoint(str(folder / f"stage{stage}"))


def run(rank, processes, folder, port):
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(processes),
                      MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    # It would compile an operator for shared memory; the processes talk by gloo alone.
    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None
    deepspeed.init_distributed(dist_backend="gloo", verbose=False)
    for stage in STAGES:
        train(pathlib.Path(folder), stage, rank)
    torch.distributed.destroy_process_group()


def numbers(read):
    """What the probe printed, as tensors of floats."""
    dtypes = {short: getattr(torch, name) for name, short in NAMES.items() if hasattr(torch, name)}
    return {name: torch.frombuffer(bytearray(data), dtype=dtypes[dtype]).reshape(shape).float()
            for name, (dtype, shape, data) in read.items()}


def check(program, folder, stage, processes):
    what = f"stage {stage} in {processes} processes"
    read = probe(program, folder)
    if isinstance(read, str):
        return expect(what, read, "to be read")
    tag = folder / (folder / "latest").read_text().strip()
    states = tag / ("zero_pp_rank_0_mp_rank_00_model_states.pt" if stage == 3
                    else "mp_rank_00_model_states.pt")
    module = torch.load(states, weights_only=False)["module"]
    expect(f"{what}: the names", sorted(read), sorted(module))
    if stage < 3:
        expect(f"{what}: the 16-bit weights", probe(program, folder, "module"), wanted(module))
    if stage == 0:
        return expect(f"{what}: the weights", read, wanted(module))
    theirs = get_fp32_state_dict_from_zero_checkpoint(str(folder))
    lost = sorted(set(read) - set(theirs))
    # Their script loses those of stage 1; here they come from `module`.
    expect(f"{what}: what only stkit has", lost,
           ["frozen.bias", "frozen.weight"] if stage == 1 else [])
    ours = numbers(read)
    for name, tensor in theirs.items():
        expect(f"{what}: {name}", ours[name].tolist(), tensor.float().tolist())
        if name not in ("positions", "mean") and not name.startswith("frozen"):
            expect(f"{what}: the type of {name}", read[name][0], "F32")


def main():
    with tempfile.TemporaryDirectory() as name:
        for processes in PROCESSES:
            folder = pathlib.Path(name) / str(processes)
            folder.mkdir()
            port = 20000 + os.getpid() % 20000 + processes
            mp.spawn(run, (processes, str(folder), port), nprocs=processes)
            for stage in STAGES:
                check(sys.argv[1], folder / f"stage{stage}", stage, processes)
    print(f"deepspeed {deepspeed.__version__}", end=", ")
    finish(f"torch {torch.__version__}")


if __name__ == "__main__":
    main()
