"""The quantizers beside ggml's, and quantize beside llama-quantize."""

import os
import shlex
import subprocess

from .measuring import MIB, Case, llama_problem, measure, run
from .models import make_language_model


def bench_kernels(options):
    program = options.binary.parents[2] / "tests/bench/bench_encode"
    if not program.is_file():
        print("\nquantizers: missing: %s; preset bench builds it" % program)
        return
    library = [] if llama_problem(options, "libggml-base.so") else [options.llama / "libggml-base.so"]
    print("\nquantizers, one thread, millions of weights a second")
    subprocess.run([str(program), *map(str, library), str(options.runs)] if library else [str(program)], check=True)


def bench_quantize(options):
    bench_kernels(options)
    source = options.models / ("language-%d" % options.size)
    if not source.is_dir():
        make_language_model(source, options.size)
    weights = source / "model.safetensors"
    size = weights.stat().st_size
    out, plain = options.models / "quantize-out.gguf", options.models / ("quantize-%d.gguf" % options.size)

    def ours(*arguments):
        return [str(options.binary), "-q", "quantize", str(source), "-o", str(out), "--no-sync", *arguments]

    if not plain.is_file():  # what llama-quantize starts from, made beforehand
        run([str(options.binary), "-q", "quantize", str(source), "-o", str(plain), "--tensor-type", "*=bf16"])
    peer = options.llama / "llama-quantize"
    run("cat %s > /dev/null" % shlex.join([str(weights), str(plain)]))

    def empty():
        out.unlink(missing_ok=True)

    cores = len(os.sched_getaffinity(0))
    for mix in ("Q4_K_M", "Q6_K"):
        for threads in dict.fromkeys((1, cores)):
            command = ours("--type", mix, "--threads", str(threads))
            measure("%d MiB to %s, %s" % (size // MIB, mix, counted(threads, "thread")),
                    [Case("llama-quantize", [str(peer), str(plain), str(out), mix, str(threads)],
                          llama_problem(options, "llama-quantize")),
                     Case("stkit quantize", command), Case("stkit quantize --verify", [*command, "--verify"])],
                    options.runs, empty, size)
    measure("%d MiB to q8_0, in the page cache" % (size // MIB),
            [Case("cat", "cat %s > %s" % (weights, out)), Case("stkit quantize", ours("--isq", "q8_0"))],
            options.runs, empty, size)


def counted(number, noun):
    return "%d %s%s" % (number, noun, "" if number == 1 else "s")
