#!/usr/bin/env python3
"""Makes models of real sizes out of sparse files: headers are whole, weights are holes.

usage: make-scale-models.py OUT_DIR [deepseek] [seven-b] [million]

  deepseek   163 shards, 91,991 tensors, 688 GB: the names and shapes of DeepSeek-V3
  seven-b    one file, 339 tensors, 15 GB: those of Qwen2.5-7B
  million    one file with a header of 133 MB and 1,290,000 tensors

Takes about 150 MB of disk where the filesystem keeps holes. The same bytes on every machine.
"""

import json
import struct
import sys
from pathlib import Path

BYTES = {"F8_E4M3": 1, "BF16": 2, "F32": 4}


def size_of(dtype, shape):
    size = BYTES[dtype]
    for dimension in shape:
        size *= dimension
    return size


def write_file(path, tensors):
    """`tensors` are (name, dtype, shape) in the order of their data."""
    parts = ['{"__metadata__":{"format":"pt"}']
    offset = 0
    for name, dtype, shape in tensors:
        end = offset + size_of(dtype, shape)
        parts.append(
            ',"%s":{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}'
            % (name, dtype, ",".join(map(str, shape)), offset, end)
        )
        offset = end
    parts.append("}")
    header = "".join(parts).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + offset)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def write_sharded(folder, tensors, shard_count):
    total = sum(size_of(dtype, shape) for _, dtype, shape in tensors)
    shards = [[] for _ in range(shard_count)]
    filled = 0
    for tensor in tensors:
        shards[min(shard_count - 1, filled * shard_count // total)].append(tensor)
        filled += size_of(*tensor[1:])
    weight_map = {}
    for number, shard in enumerate(shards, 1):
        file_name = "model-%05d-of-%06d.safetensors" % (number, shard_count)
        write_file(folder / file_name, shard)
        weight_map.update((name, file_name) for name, _, _ in shard)
    write_json(
        folder / "model.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": weight_map},
    )


def fp8(name, rows, columns):
    yield name + ".weight", "F8_E4M3", (rows, columns)
    yield name + ".weight_scale_inv", "F32", (-(-rows // 128), -(-columns // 128))


def gated_mlp(prefix, hidden, intermediate):
    yield from fp8(prefix + "gate_proj", intermediate, hidden)
    yield from fp8(prefix + "up_proj", intermediate, hidden)
    yield from fp8(prefix + "down_proj", hidden, intermediate)


def deepseek_tensors():
    hidden, heads, vocab, layers, experts = 7168, 128, 129280, 61, 256
    yield "model.embed_tokens.weight", "BF16", (vocab, hidden)
    for layer in range(layers + 1):  # the last one predicts a second token
        prefix = "model.layers.%d." % layer
        attention = prefix + "self_attn."
        yield prefix + "input_layernorm.weight", "BF16", (hidden,)
        yield from fp8(attention + "q_a_proj", 1536, hidden)
        yield attention + "q_a_layernorm.weight", "BF16", (1536,)
        yield from fp8(attention + "q_b_proj", heads * 192, 1536)
        yield from fp8(attention + "kv_a_proj_with_mqa", 576, hidden)
        yield attention + "kv_a_layernorm.weight", "BF16", (512,)
        yield from fp8(attention + "kv_b_proj", heads * 256, 512)
        yield from fp8(attention + "o_proj", hidden, heads * 128)
        yield prefix + "post_attention_layernorm.weight", "BF16", (hidden,)
        if layer < 3:
            yield from gated_mlp(prefix + "mlp.", hidden, 18432)
        else:
            yield prefix + "mlp.gate.weight", "BF16", (experts, hidden)
            yield prefix + "mlp.gate.e_score_correction_bias", "F32", (experts,)
            yield from gated_mlp(prefix + "mlp.shared_experts.", hidden, 2048)
            for expert in range(experts):
                yield from gated_mlp(prefix + "mlp.experts.%d." % expert, hidden, 2048)
        if layer == layers:
            yield prefix + "embed_tokens.weight", "BF16", (vocab, hidden)
            yield prefix + "enorm.weight", "BF16", (hidden,)
            yield prefix + "hnorm.weight", "BF16", (hidden,)
            yield prefix + "eh_proj.weight", "BF16", (hidden, 2 * hidden)
            yield prefix + "shared_head.norm.weight", "BF16", (hidden,)
            yield prefix + "shared_head.head.weight", "BF16", (vocab, hidden)
    yield "model.norm.weight", "BF16", (hidden,)
    yield "lm_head.weight", "BF16", (vocab, hidden)


def make_deepseek(folder):
    write_sharded(folder, list(deepseek_tensors()), 163)
    write_json(
        folder / "config.json",
        {
            "architectures": ["DeepseekV3ForCausalLM"],
            "first_k_dense_replace": 3,
            "hidden_size": 7168,
            "intermediate_size": 18432,
            "kv_lora_rank": 512,
            "max_position_embeddings": 163840,
            "model_type": "deepseek_v3",
            "moe_intermediate_size": 2048,
            "n_routed_experts": 256,
            "n_shared_experts": 1,
            "num_attention_heads": 128,
            "num_hidden_layers": 61,
            "num_key_value_heads": 128,
            "num_nextn_predict_layers": 1,
            "q_lora_rank": 1536,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "quantization_config": {
                "activation_scheme": "dynamic",
                "fmt": "e4m3",
                "quant_method": "fp8",
                "weight_block_size": [128, 128],
            },
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "v_head_dim": 128,
            "vocab_size": 129280,
        },
    )


def seven_b_tensors():
    hidden, kv, intermediate, vocab = 3584, 512, 18944, 152064
    yield "lm_head.weight", "BF16", (vocab, hidden)
    yield "model.embed_tokens.weight", "BF16", (vocab, hidden)
    for layer in range(28):
        prefix = "model.layers.%d." % layer
        yield prefix + "input_layernorm.weight", "BF16", (hidden,)
        yield prefix + "mlp.down_proj.weight", "BF16", (hidden, intermediate)
        yield prefix + "mlp.gate_proj.weight", "BF16", (intermediate, hidden)
        yield prefix + "mlp.up_proj.weight", "BF16", (intermediate, hidden)
        yield prefix + "post_attention_layernorm.weight", "BF16", (hidden,)
        for letter, rows in (("k", kv), ("q", hidden), ("v", kv)):
            yield prefix + "self_attn.%s_proj.bias" % letter, "BF16", (rows,)
            yield prefix + "self_attn.%s_proj.weight" % letter, "BF16", (rows, hidden)
        yield prefix + "self_attn.o_proj.weight", "BF16", (hidden, hidden)
    yield "model.norm.weight", "BF16", (hidden,)


def make_seven_b(folder):
    write_file(folder / "model.safetensors", seven_b_tensors())
    write_json(
        folder / "config.json",
        {
            "architectures": ["Qwen2ForCausalLM"],
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "max_position_embeddings": 32768,
            "model_type": "qwen2",
            "num_attention_heads": 28,
            "num_hidden_layers": 28,
            "num_key_value_heads": 4,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "vocab_size": 152064,
        },
    )


def million_tensors():
    for number in range(1_290_000):
        layer, expert = divmod(number, 12900)
        yield "layers.%d.expert.%d.weight" % (layer, expert), "BF16", (64, 64)


def make_million(folder):
    write_file(folder / "model.safetensors", million_tensors())


MODELS = {"deepseek": make_deepseek, "seven-b": make_seven_b, "million": make_million}


def main():
    names = sys.argv[2:] or list(MODELS)
    if len(sys.argv) < 2 or not set(names) <= set(MODELS):
        sys.exit(__doc__)
    for name in names:
        folder = Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        MODELS[name](folder)


if __name__ == "__main__":
    main()
