#!/usr/bin/env python3
"""Makes tests/data/tiny-model: a Qwen3 of under two megabytes with random weights.

usage: make-tiny-model.py OUT_DIR

The same bytes on every machine: no library, no clock, its own random numbers. Every row is a
multiple of 256 elements, so each k-quant type fits it; the vocabulary is padded beyond the
tokenizer's, as that of the real Qwen3 is.
"""

import json
import re
import struct
import sys
from collections import Counter
from pathlib import Path

HIDDEN = 256
INTERMEDIATE = 256  # 512 would take the model past two megabytes
HEADS = 4
KV_HEADS = 2
HEAD_DIM = 64
LAYERS = 2
VOCAB = 384
MERGES = 112
SHARDS = 3
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
PLAIN_ADDED_TOKENS = ["<tool_call>", "</tool_call>", "<think>", "</think>"]

TRAINING_TEXT = """
The river came down from the hills in spring and carried the snow of the winter with it. In the
valley the farmers opened the gates of their fields and let the water run along the furrows, and
when the sun had dried the earth again they sowed wheat and barley and beans. There was one mill
on the river and one bridge, and the man who kept the mill also kept the bridge. He asked a penny
of everyone who came to grind and nothing of those who only wanted to go over to the other side.
When the children asked him for the reason he said that the mill was his and that the bridge was
theirs, since their fathers had built it, and that he only swept it because it was in front of his
door. They thought about this for a while and then they asked what the water cost.
"Nothing," he said, "and that is the reason for all the rest."
for (int i = 0; i < count; i++) { total += values[i]; }
def mean(values): return sum(values) / len(values)
The answer is 42. The number of tensors in this model is 25, and there are 3 shards.
"""

CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)

# Qwen's own split into words; Python's re has no \p{..}, so training uses its ASCII reading.
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
ASCII_SPLIT = (
    QWEN_SPLIT.replace(r"[^\r\n\p{L}\p{N}]", r"[^\r\nA-Za-z0-9]")
    .replace(r"[^\s\p{L}\p{N}]", r"[^\sA-Za-z0-9]")
    .replace(r"\p{L}", "[A-Za-z]")
    .replace(r"\p{N}", "[0-9]")
)


class SplitMix64:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        mask = 0xFFFFFFFFFFFFFFFF
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)


def bf16(value):
    """The two bytes of the nearest bfloat16, ties to even."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def weights(name, count, mean, deviation):
    seed = 0
    for byte in name.encode():
        seed = seed * 1099511628211 + byte & 0xFFFFFFFFFFFFFFFF
    random = SplitMix64(seed)
    # The sum of four uniform 16-bit numbers has a standard deviation of 2^16 / sqrt(3).
    scale = deviation * 3**0.5 / 65536
    values = []
    for _ in range(count):
        z = random.next()
        total = (z & 0xFFFF) + (z >> 16 & 0xFFFF) + (z >> 32 & 0xFFFF) + (z >> 48) - 131070
        values.append(bf16(mean + total * scale))
    return struct.pack("<%dH" % count, *values)


def tensor_shapes():
    """Name and shape of every tensor, in the order in which the model runs."""
    yield "model.embed_tokens.weight", (VOCAB, HIDDEN)
    for layer in range(LAYERS):
        prefix = "model.layers.%d." % layer
        yield prefix + "input_layernorm.weight", (HIDDEN,)
        yield prefix + "self_attn.q_proj.weight", (HEADS * HEAD_DIM, HIDDEN)
        yield prefix + "self_attn.k_proj.weight", (KV_HEADS * HEAD_DIM, HIDDEN)
        yield prefix + "self_attn.v_proj.weight", (KV_HEADS * HEAD_DIM, HIDDEN)
        yield prefix + "self_attn.q_norm.weight", (HEAD_DIM,)
        yield prefix + "self_attn.k_norm.weight", (HEAD_DIM,)
        yield prefix + "self_attn.o_proj.weight", (HIDDEN, HEADS * HEAD_DIM)
        yield prefix + "post_attention_layernorm.weight", (HIDDEN,)
        yield prefix + "mlp.gate_proj.weight", (INTERMEDIATE, HIDDEN)
        yield prefix + "mlp.up_proj.weight", (INTERMEDIATE, HIDDEN)
        yield prefix + "mlp.down_proj.weight", (HIDDEN, INTERMEDIATE)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCAB, HIDDEN)


def element_count(shape):
    count = 1
    for dimension in shape:
        count *= dimension
    return count


def write_shard(path, tensors):
    header = {"__metadata__": {"format": "pt"}}
    data = []
    offset = 0
    for name, shape in sorted(tensors):
        is_norm = name.endswith("norm.weight")
        data.append(weights(name, element_count(shape), 1.0 if is_norm else 0.0, 0.02))
        end = offset + len(data[-1])
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


def write_weights(folder):
    tensors = list(tensor_shapes())
    total_size = sum(2 * element_count(shape) for _, shape in tensors)
    shards = [[] for _ in range(SHARDS)]
    filled = 0
    for name, shape in tensors:
        shards[min(SHARDS - 1, filled * SHARDS // total_size)].append((name, shape))
        filled += 2 * element_count(shape)
    weight_map = {}
    for number, shard in enumerate(shards, 1):
        file_name = "model-%05d-of-%05d.safetensors" % (number, SHARDS)
        write_shard(folder / file_name, shard)
        weight_map.update((name, file_name) for name, _ in shard)
    write_json(
        folder / "model.safetensors.index.json",
        {"metadata": {"total_size": total_size}, "weight_map": dict(sorted(weight_map.items()))},
    )


def byte_alphabet():
    """How byte-level BPE writes each byte: itself where it prints, else a letter above U+0100."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in printing}
    for byte in range(256):
        if byte not in letters:
            letters[byte] = chr(0x100 + len(letters) - len(printing))
    return letters


def train_merges(letters):
    words = Counter(re.findall(ASCII_SPLIT, TRAINING_TEXT))
    pieces = {word: [letters[byte] for byte in word.encode()] for word in words}
    merges = []
    while len(merges) < MERGES:
        pairs = Counter()
        for word, parts in pieces.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += words[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word, parts in pieces.items():
            joined = []
            for part in parts:
                if joined and (joined[-1], part) == best:
                    joined[-1] += part
                else:
                    joined.append(part)
            pieces[word] = joined
    return merges


def write_tokenizer(folder):
    letters = byte_alphabet()
    merges = train_merges(letters)
    vocab = {token: number for number, token in enumerate(letters.values())}
    for left, right in merges:
        vocab[left + right] = len(vocab)
    added = []
    for content in SPECIAL_TOKENS + PLAIN_ADDED_TOKENS:
        added.append(
            {
                "id": len(vocab) + len(added),
                "content": content,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": content in SPECIAL_TOKENS,
            }
        )
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": QWEN_SPLIT}, "behavior": "Isolated", "invert": False}
    write_json(
        folder / "tokenizer.json",
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": added,
            "normalizer": {"type": "NFC"},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
            "post_processor": byte_level,
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": "",
                "end_of_word_suffix": "",
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": vocab,
                "merges": [left + " " + right for left, right in merges],
            },
        },
    )
    flags = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    write_json(
        folder / "tokenizer_config.json",
        {
            "add_bos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": {
                str(token["id"]): {flag: token[flag] for flag in flags} for token in added
            },
            "bos_token": None,
            "chat_template": CHAT_TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|im_end|>",
            "errors": "replace",
            "model_max_length": 2048,
            "pad_token": "<|endoftext|>",
            "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer",
            "unk_token": None,
        },
    )
    return {token["content"]: token["id"] for token in added}


def write_config(folder, ids):
    write_json(
        folder / "config.json",
        {
            "architectures": ["Qwen3ForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "head_dim": HEAD_DIM,
            "hidden_act": "silu",
            "hidden_size": HIDDEN,
            "initializer_range": 0.02,
            "intermediate_size": INTERMEDIATE,
            "max_position_embeddings": 2048,
            "max_window_layers": LAYERS,
            "model_type": "qwen3",
            "num_attention_heads": HEADS,
            "num_hidden_layers": LAYERS,
            "num_key_value_heads": KV_HEADS,
            "rms_norm_eps": 1e-06,
            "rope_scaling": None,
            "rope_theta": 1000000,
            "sliding_window": None,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "transformers_version": "4.51.0",
            "use_cache": True,
            "use_sliding_window": False,
            "vocab_size": VOCAB,
        },
    )
    write_json(
        folder / "generation_config.json",
        {
            "bos_token_id": ids["<|endoftext|>"],
            "do_sample": True,
            "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]],
            "pad_token_id": ids["<|endoftext|>"],
            "temperature": 0.6,
            "top_k": 20,
            "top_p": 0.95,
            "transformers_version": "4.51.0",
        },
    )


def write_json(path, value):
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    path.write_bytes(text.encode())


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, write_tokenizer(folder))
    write_weights(folder)


if __name__ == "__main__":
    main()
