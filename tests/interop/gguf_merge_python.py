"""Holds the merge of GGUF files against what llama.cpp's converter made them of.

    STKIT_LLAMA_CPP=<checkout of llama.cpp> gguf_merge_python.py <stkit> [CASE...]

For a tiny model of each architecture: converted to GGUF as f32, f16 and bf16, merged back, it has the
model's own tensors under their names. What the way to GGUF loses is listed in LOST.
"""

import pathlib
import subprocess
import sys
import tempfile

# Skips where the packages or the converter are not there.
from gguf_export_oracle import CASES, CONVERT, LLAMA_CPP, make_model, run

import torch
from safetensors import safe_open

# Not kept by GGUF, or kept once where the model has it twice.
LOST = ("pooler.", "lm_head.weight")


def tensors_of(folder):
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            found.update({name: file.get_tensor(name) for name in file.keys()})
    return found


def same(found, wanted, kind):
    """What went through a float of fewer bits comes back as that."""
    if found.shape != wanted.shape:
        return False
    wanted = wanted.float()
    if kind == "f16" and found.dtype == torch.float16:
        wanted = wanted.half().float()
    # The norms of Gemma go through a sum with 1.
    return torch.allclose(found.float(), wanted, rtol=0, atol=1e-6)


def check(program, folder, case, kind):
    family, fields, make_tokenizer, pre = CASES[case]
    model, converted = folder / f"tiny-{case}", folder / f"{kind}.gguf"
    if not model.exists():
        make_model(model, family, fields, make_tokenizer)
    script = CONVERT.replace('"f32"', f'"{kind}"')
    run([sys.executable, "-c", script.format(root=LLAMA_CPP, pre=pre, model=str(model),
                                             out=str(converted))])
    out = folder / f"back-{kind}"
    done = subprocess.run([program, "merge", converted, "-o", out, "--no-sync", "--verify"],
                          capture_output=True, text=True)
    wrong = []
    if done.returncode != 0 or "names and order" in done.stderr:
        return [done.stderr.strip()]
    found, wanted = tensors_of(out), tensors_of(model)
    for name in sorted({*found, *wanted}):
        if name in found and name in wanted:
            if not same(found[name], wanted[name], kind):
                wrong.append(f"{name}: {found[name].shape} {found[name].dtype}")
        elif not name.startswith(LOST):
            wrong.append(f"{name}: only in the {'merged' if name in found else 'model'}")
    print(f"{case} {kind}: {len(found)} tensors, {f'{len(wrong)} wrong' if wrong else 'the same'}")
    return wrong


def main():
    program, *chosen = sys.argv[1:]
    failed = []
    for case in chosen or CASES:
        with tempfile.TemporaryDirectory() as name:
            for kind in ("f32", "f16", "bf16"):
                try:
                    wrong = check(program, pathlib.Path(name), case, kind)
                except Exception as error:  # of one architecture, while the others go on
                    wrong = [str(error)]
                for line in wrong[:5]:
                    print(f"  FAILED: {line}")
                failed += [f"{case} {kind}"] * bool(wrong)
    print(f"not: {', '.join(failed)}" if failed else "all came back")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
