"""Models of a wanted size, their weights repeated noise."""

import json
import math
import os
import random
import shutil
import struct

from .measuring import MIB, ROOT

TINY = ROOT / "tests/data/tiny-model"
SHARDED_TENSORS = 256
HIDDEN, FEED, HEADS, KV_HEADS, HEAD = 1024, 4096, 16, 4, 64


def write_safetensors(path, shapes, block):
    """BF16 tensors whose bytes are `block` over and over."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        while end > 0:
            end -= file.write(block[:min(end, len(block))])


def random_bf16(size_bytes):
    """Values of weights, of a size that f16 holds, from 2^-15 to 2, of both signs."""
    high = bytes(0x38 + (byte & 7) | (byte & 0x80) for byte in range(256))
    block = bytearray(os.urandom(size_bytes))
    block[1::2] = block[1::2].translate(high)
    return bytes(block)


def make_sharded(folder, size_bytes, shards):
    folder.mkdir(parents=True)
    elements = size_bytes // SHARDED_TENSORS // 2
    block = random_bf16(min(2 * elements, 16 * MIB))
    weight_map = {}
    for shard in range(shards):
        first, last = (i * SHARDED_TENSORS // shards for i in (shard, shard + 1))
        shapes = {"layers.%03d.weight" % i: [elements] for i in range(first, last)}
        name = "model-%05d-of-%05d.safetensors" % (shard + 1, shards)
        write_safetensors(folder / name, shapes, block)
        weight_map.update(dict.fromkeys(shapes, name))
    index = {"metadata": {"total_size": 2 * elements * SHARDED_TENSORS}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def layer_tensors(config):
    heads, kv_heads, head = (config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"])
    hidden, feed = config["hidden_size"], config["intermediate_size"]
    return [("input_layernorm", [hidden]), ("post_attention_layernorm", [hidden]),
            ("self_attn.q_norm", [head]), ("self_attn.k_norm", [head]),
            ("self_attn.q_proj", [heads * head, hidden]), ("self_attn.k_proj", [kv_heads * head, hidden]),
            ("self_attn.v_proj", [kv_heads * head, hidden]), ("self_attn.o_proj", [hidden, heads * head]),
            ("mlp.gate_proj", [feed, hidden]), ("mlp.up_proj", [feed, hidden]), ("mlp.down_proj", [hidden, feed])]


def make_language_model(folder, size_bytes):
    """The small model of the tests, grown; its bf16 weights are noise as wide as trained ones."""
    shutil.copytree(TINY, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.index.json"))
    config = json.loads((TINY / "config.json").read_text())
    config.update(hidden_size=HIDDEN, intermediate_size=FEED, num_attention_heads=HEADS,
                  num_key_value_heads=KV_HEADS, head_dim=HEAD)
    vocabulary = [config["vocab_size"], config["hidden_size"]]
    shapes = {"model.embed_tokens.weight": vocabulary, "lm_head.weight": vocabulary,
              "model.norm.weight": [config["hidden_size"]]}
    layers = 0
    while 2 * sum(map(math.prod, shapes.values())) < size_bytes:
        for part, shape in layer_tensors(config):
            shapes["model.layers.%d.%s.weight" % (layers, part)] = shape
        layers += 1
    config.update(num_hidden_layers=layers, max_window_layers=layers)
    (folder / "config.json").write_text(json.dumps(config))
    random.seed(1)
    block = b"".join(struct.pack("<f", random.gauss(0, 0.02))[2:] for _ in range(1 << 20))
    write_safetensors(folder / "model.safetensors", shapes, block)
