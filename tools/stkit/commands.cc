#include "command.h"

namespace stkit::cli {
namespace {

constexpr Command kCommands[] = {
    {"inspect", "look at a model without loading it", "MODEL...",
     "Reads headers and companion files only: a model of any size costs milliseconds. Weights are "
     "read where an option asks for them: --stats, --histogram, --tensor and --diff --data.\n"
     "A MODEL is a .safetensors, .gguf, .bin, .pt or .pth file, an index "
     "(model.safetensors.index.json), a config.json, or a folder; what it is is found out by "
     "content. "
     "ORG/NAME, hf://ORG/NAME@REVISION and an https:// address are read from their server, headers "
     "only, without being downloaded. `-` stands for a list of models on standard input, one a "
     "line.\n"
     "With several models each is shown in turn. --json then prints an array, in the order of the "
     "command line, in which a model that cannot be read is its error object; the exit code is 1 "
     "when there is one.\n"
     "Exit codes: 0 done; 1 --diff found differences, or some of several models failed; 2 usage; "
     "3 corrupt or unsupported; 4 not found; 5 access denied; 7 the output file cannot be written.",
     "stkit inspect ./Qwen3-8B  # what it is and what it holds\n"
     "stkit inspect ./Qwen3-8B --tensors='*mlp*' --sort size  # the largest of some tensors\n"
     "stkit inspect a.safetensors --diff b.safetensors --data  # where two models differ",
     add_inspect},
    {"download", "fetch a model from the Hub", "REPO",
     "Fetches the main weights of a model (safetensors where there are any) and the files that "
     "belong to them: configuration, tokenizer, chat template, README. Second copies of the "
     "weights "
     "in other formats are left out; --dry-run shows each file with the reason. With --include, "
     "exactly the files that match are fetched.\n"
     "Files go to the cache that the Hub's own tools share, and the folder of the snapshot is "
     "printed; or with --to into a plain folder.\n"
     "Every file is verified (SHA-256, or git's SHA-1) before it gets its name. Connections that "
     "stall or break are made anew; a download that was stopped, even by a crash, goes on where it "
     "was when the same command is run again. The revision is resolved to a commit once, so all "
     "files are of one version.\n"
     "--single-file writes the shards straight into one model.safetensors, the one that merge "
     "would "
     "make of them: no byte of the weights is on the disk twice, and each shard is verified as it "
     "arrives.\n"
     "The token is HF_TOKEN, or that of `hf auth login`; it is sent to the endpoint alone. "
     "HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, https_proxy, no_proxy and SSL_CERT_FILE "
     "are heeded.\n"
     "Exit codes: 0 done; 2 usage; 4 not found; 5 access denied or gated; 6 network, or the "
     "content "
     "was wrong; 7 the output exists or cannot be written; 130 and 143 stopped.",
     "stkit download Qwen/Qwen3-8B  # into the shared cache\n"
     "stkit download Qwen/Qwen3-8B --to ./Qwen3-8B  # into a folder\n"
     "stkit download Qwen/Qwen3-8B --to ./Qwen3-8B --single-file  # shards as one file\n"
     "stkit download Qwen/Qwen3-8B --dry-run  # what would be fetched, and why\n"
     "stkit download Qwen/Qwen3-8B-GGUF --include '*Q4_K_M*'  # one of many files",
     add_download},
    {"search", "find models on the Hub", "QUERY",
     "Lists models of the Hub whose name has the words of QUERY, with the format of their main "
     "weights, their number of files, size and types, the downloads of the last 30 days, likes, "
     "and "
     "whether their terms must be accepted first. A repository of GGUF files often holds one model "
     "in many sizes: all files are counted.\n"
     "HF_ENDPOINT, HF_TOKEN and the proxies' variables are heeded, as by download.\n"
     "Exit codes: 0 some were found; 1 none; 2 usage; 5 the token was rejected; 6 network.",
     "stkit search qwen3  # the most downloaded that have safetensors\n"
     "stkit search 'llama 3 8b' --format gguf --sort likes  # files for llama.cpp\n"
     "stkit search qwen3 --limit 100 --json  # for a program",
     add_search},
    {"merge", "consolidate into one model.safetensors", "MODEL -o OUT",
     "Writes the tensors of a model, in however many shards, as one model.safetensors with the "
     "companion files beside it; with --max-shard-size as shards and their index. OUT is a folder, "
     "or a .safetensors file, which comes without companions.\n"
     "Weights are copied bit for bit unless --dtype casts them. An output appears under its name "
     "only when it is whole and, but for --no-sync, on the disk; what is there is replaced only "
     "with --force. An input is never changed. The same input and options give the same bytes.\n"
     "--all-checkpoints merges every checkpoint below a run's folder: every folder that holds "
     "weights, and every one that is named like a checkpoint. Symbolic links and hidden folders "
     "are not followed, and nothing inside a checkpoint is one. All are planned first, so that "
     "what "
     "is broken or does not fit shows before anything is written; without --continue-on-error the "
     "first failure ends it. --skip-existing leaves outputs alone that open as a whole model.\n"
     "Outputs are named by --name-template: {run} is the name of the run's folder, {step} the "
     "number in the checkpoint's name (the name when it has none), {name} its path below the run's "
     "folder with _ for /. Two outputs of one name are refused.\n"
     "In a Slurm array, a Kubernetes indexed Job (which needs --task-count) or under MPI each task "
     "takes every N-th checkpoint; --task-index and --task-count win over SLURM_ARRAY_TASK_ID, "
     "JOB_COMPLETION_INDEX, OMPI_COMM_WORLD_RANK and PMI_RANK.\n"
     "Exit codes: 0 done; 1 some checkpoints failed; 2 usage; 3 corrupt or unsupported; 4 not "
     "found; 5 access denied; 7 the output exists or cannot be written; 130 and 143 stopped.",
     "stkit merge ./Qwen3-8B -o merged  # many shards into merged/model.safetensors\n"
     "stkit merge ./Qwen3-8B -o half --dtype f16 --dry-run  # what a cast would write\n"
     "stkit merge ./merged -o shards --max-shard-size 5GB  # the inverse\n"
     "stkit merge ./run -o merged --all-checkpoints --skip-existing  # a whole training run",
     add_merge},
    {"quantize", "a published model to a GGUF file that runs, in one step", "MODEL -o FILE",
     "A model whose architecture llama.cpp knows becomes a GGUF file that llama.cpp loads: its "
     "tensor names, metadata, tokenizer and chat template, and the types that --type (a mix of "
     "llama.cpp) or --isq (one type) give. The bytes of a block are those of llama.cpp, and the "
     "same for any number of threads. Memory holds a few rows, the disk nothing but the result.\n"
     "Other models, such as one of images or a lone .safetensors file, and any with --arch none, "
     "keep the names of their tensors: every floating matrix whose name ends in `weight` gets the "
     "type, norms and vectors become F32, the rest keeps its own type. A GGUF file keeps its names "
     "and its metadata.\n"
     "Where rows are not whole blocks another type falls in, and the output says where and for how "
     "many of the weights. NaN and infinities in weights stop the work, with tensor and position, "
     "unless --nan says otherwise. The file appears under its name when it is whole.\n"
     "Exit codes: 0 done; 1 the answer of --strict or --min-cosine is no; 2 usage; 3 corrupt or "
     "unsupported; 4 not found; 5 access denied; 7 the output cannot be written.",
     "stkit quantize ./Qwen3-8B --type q4_k_m -o qwen3-8b.gguf  # runs in llama.cpp\n"
     "stkit quantize Qwen/Qwen3-8B -o q6.gguf --isq q6k --verify  # from the Hub; what was lost\n"
     "stkit quantize ./flux -o flux.gguf --keep '*norm*' --dry-run  # the plan alone\n"
     "stkit quantize llama-f16.gguf -o llama-q5k.gguf --isq q5k  # a GGUF file of floats",
     add_quantize},
    {"validate", "say whether a model is whole and sound", "MODEL...",
     "Checks every rule of the format, index against shards, companion files against weights, and "
     "lists all findings, each with a stable id, a severity and a cure (--list-checks shows all "
     "rules, --explain ID one). Weights are read with --deep, --against and --checksums.\n"
     "--checksums hub asks the Hub for the digests of the revision that the files are of: known "
     "for a "
     "reference to the Hub and for a snapshot in its cache; for any other folder name the "
     "repository "
     "with --checksums hf://ORG/NAME@REVISION.\n"
     "With several models each is checked in turn, and --json prints an array in the order of the "
     "command line, in which a model that cannot be opened is its error object.\n"
     "Exit codes: 0 sound; 1 errors were found (with --strict, warnings too), or some of several "
     "models could not be opened; 2 usage; 4 not found; 5 access denied.",
     "stkit validate ./Qwen3-8B  # structure: a fraction of a second\n"
     "stkit validate ./Qwen3-8B --deep --checksums SHA256SUMS  # every byte of it\n"
     "stkit validate ./merged --against ./original  # same tensors, bit for bit?",
     add_validate},
    {"completion", "print completions for a shell", "SHELL",
     "Prints a script that completes commands, options and their values.\n"
     "bash: stkit completion bash > ~/.local/share/bash-completion/completions/stkit\n"
     "zsh: stkit completion zsh > \"${fpath[1]}/_stkit\"\n"
     "fish: stkit completion fish > ~/.config/fish/completions/stkit.fish",
     "source <(stkit completion bash)  # for this shell only", add_completion},
    {"help", "show the manual of a command", "[COMMAND]",
     "Shows the manual of a command, or of the program: the same text as --help.",
     "stkit help inspect  # all that inspect can do", add_help},
    {"generate-man", "write the man pages", "DIR",
     "Writes stkit.1 and one page a command into DIR. Packages and `cmake --install` use it.",
     "stkit generate-man build/man  # make them", add_generate_man, true},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace stkit::cli
