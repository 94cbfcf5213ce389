"""quantize of a published model beside the two steps that it replaces."""

import os
import shlex
import shutil
from pathlib import Path

from .measuring import Case, llama_problem, measure, run
from .models import TINY, make_language_model

MIX = "Q4_K_M"

# The name of the pre-tokenizer comes from a hash that theirs knows of published tokenizers only.
CONVERT = """
import runpy, sys
sys.path.insert(0, {root!r})
from conversion.base import TextModel
TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen2"
sys.argv = [{root!r} + "/convert_hf_to_gguf.py", *sys.argv[1:]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def bench_export(options):
    sources = str(options.llama_source)
    missing = llama_problem(options, "llama-quantize")
    if not (Path(sources) / "convert_hf_to_gguf.py").is_file():
        missing = "missing: convert_hf_to_gguf.py in --llama-source or STKIT_LLAMA_CPP"
    large = options.models / ("language-%d" % options.size)
    if not large.is_dir():
        make_language_model(large, options.size)
    threads = str(len(os.sched_getaffinity(0)))
    for model in (TINY, large):
        out = options.models / "export-out"
        between, theirs, ours = out / "bf16.gguf", out / "theirs.gguf", out / "ours.gguf"
        convert = shlex.join([options.python, "-c", CONVERT.format(root=sources), str(model), "--outfile",
                              str(between), "--outtype", "bf16"])

        def empty():
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()

        quantize = shlex.join([str(options.llama / "llama-quantize"), str(between), str(theirs), MIX, threads])
        cases = [Case("stkit quantize", [str(options.binary), "-q", "quantize", str(model), "-o", str(ours),
                                         "--type", MIX, "--no-sync"]),
                 Case("convert_hf_to_gguf, llama-quantize", "%s && %s" % (convert, quantize), missing)]
        size = sum(file.stat().st_size for file in model.glob("*.safetensors"))
        measure("%s, %.0f MB" % (model.name, size / 1e6), cases, options.runs, empty, size)
        for case in cases:
            if not case.missing:
                empty()
                run(case.command)
                print("%-35s %.1f MB on the disk" % (case.label, sum(f.stat().st_size for f in out.iterdir()) / 1e6))
        shutil.rmtree(out)
