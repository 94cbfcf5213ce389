"""Writes the checkpoints in this folder again; they were made with torch 2.13.

    remake.py [FOLDER]
"""

import collections
import pathlib
import sys

import torch


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    folder = folder if folder.is_dir() else folder.parent
    base = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    state = collections.OrderedDict(
        weight=base, transposed=base.t(), row=base[1], tied=base,
        half=torch.tensor([1.5, -2.0], dtype=torch.bfloat16), scalar=torch.tensor(7),
        expanded=torch.tensor([9.0]).expand(2, 2), empty=torch.empty(0, 3))
    torch.save(state, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    state["float8"] = torch.tensor([1.0, -0.5]).to(torch.float8_e4m3fn)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(base).sum().backward()
    optimizer.step()
    torch.save({"epoch": 3, "state_dict": state, "optimizer": optimizer.state_dict(),
                "rng_state": torch.zeros(16, dtype=torch.uint8)}, folder / "checkpoint.pt")


if __name__ == "__main__":
    main()
