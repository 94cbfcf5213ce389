"""Holds the export of models against llama.cpp's own converter and quantizer.

    STKIT_LLAMA_CPP=<checkout of llama.cpp> [STKIT_LLAMA_CPP_BIN=<folder of its programs>]
        gguf_export_oracle.py <stkit> [CASE...]

For a tiny model of each architecture, with random weights: the same metadata, and the same tensors
with the same bytes, as `convert_hf_to_gguf.py --outtype f32` writes, and as `llama-quantize` makes
of that for each mix, where it is there. What differs on purpose is listed in INTENDED.
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

LLAMA_CPP = os.environ.get("STKIT_LLAMA_CPP", "")
if not (pathlib.Path(LLAMA_CPP) / "convert_hf_to_gguf.py").is_file():
    print("SKIPPED: STKIT_LLAMA_CPP names no folder with convert_hf_to_gguf.py")
    sys.exit(77)
QUANTIZER = pathlib.Path(os.environ.get("STKIT_LLAMA_CPP_BIN", "")) / "llama-quantize"
MIXES = ["Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "Q3_K_M", "Q2_K"] if QUANTIZER.is_file() else []
sys.path.insert(0, str(pathlib.Path(LLAMA_CPP) / "gguf-py"))
from oracle import skip_without

try:
    import gguf
    import safetensors.torch
    import sentencepiece
    import tokenizers
    import torch
    import transformers
except ImportError as error:
    skip_without(error)

# (case, or "" for all; key or tensor; why it is not the same)
PHI3_OWN = "their phi3 has a copy of the vocabulary's rules that misses two of them"
INTENDED = [
    ("gemma", "tokenizer.ggml.eot_token_id",
     "a fixed number of theirs, whatever the vocabulary; loaders find the token by its text"),
    ("phi3", "tokenizer.ggml.tokens", PHI3_OWN),
    ("phi3", "tokenizer.ggml.token_type", PHI3_OWN),
    ("phi3", "tokenizer.ggml.add_space_prefix", "what tokenizer_config.json says, as for others"),
    ("gptneox", "general.file_type", "theirs leaves it out"),
    ("gpt-oss-mxfp4", "general.file_type", "the mix that was asked for"),
]

# Their gptneox wants a field that transformers 5 stores under another name.
#
# The name of the pre-tokenizer comes from a hash of what the tokenizer makes of a text, so one that
# was trained on the spot is never known. The name that the case expects stands in for it.
CONVERT = """
import runpy, sys
sys.path.insert(0, {root!r})
from conversion.base import ModelBase, TextModel
load = ModelBase.load_hparams
def load_with_old_names(*arguments, **named):
    fields = load(*arguments, **named)
    rope = fields.get("rope_parameters") or {{}}
    if "partial_rotary_factor" in rope:
        fields.setdefault("rotary_pct", rope["partial_rotary_factor"])
    return fields
ModelBase.load_hparams = staticmethod(load_with_old_names)
TextModel.get_vocab_base_pre = lambda self, tokenizer: {pre!r}
sys.argv = [{root!r} + "/convert_hf_to_gguf.py", {model!r}, "--outfile", {out!r}, "--outtype", "f32"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

TEXT = ["The quick brown fox jumps over the lazy dog.", "Zwölf Boxkämpfer jagen Viktor quer.",
        "Съешь же ещё этих мягких булок", "私はガラスを食べられます。", "def f(x):\n    return x ** 2",
        "1234567890 3.14159 -42", "🚀 emoji 🦙🦙", "   spaces\t\tand tabs\n\n"]
CORPUS = TEXT + [f"{a} {b} {i}" for i, a in enumerate(TEXT) for b in TEXT]

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
THREE_DIGITS = (CONTRACTIONS + r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
                r"\s*[\r\n]+|\s+(?!\S)|\s+")
ONE_DIGIT = THREE_DIGITS.replace("{1,3}", "")

VOCABULARY = 512


def split_by(expression):
    return tokenizers.pre_tokenizers.Sequence([
        tokenizers.pre_tokenizers.Split(tokenizers.Regex(expression), "isolated"),
        tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def byte_level(folder, pre_tokenizer, bos, eos, template=False, ignore_merges=False,
               extra=()):
    """A byte-level tokenizer; returns the configuration fields that go with it."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    special = list(dict.fromkeys([bos, eos, "<|user|>", *extra]))
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCABULARY - 20, special_tokens=special,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens(["<tool>", "▁two▁words"])
    if template:
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B:1",
            special_tokens=[(bos, tokenizer.token_to_id(bos))])
    else:
        tokenizer.post_processor = tokenizers.processors.ByteLevel(trim_offsets=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json",
               {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": bos, "eos_token": eos,
                "pad_token": eos, "add_bos_token": template,
                "chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"})
    return {"bos_token_id": tokenizer.token_to_id(bos), "eos_token_id": tokenizer.token_to_id(eos)}


def llama3(folder):
    return byte_level(folder, split_by(THREE_DIGITS), "<|begin_of_text|>", "<|end_of_text|>",
                      template=True, ignore_merges=True)


def qwen(folder):
    return byte_level(folder, split_by(ONE_DIGIT), "<|endoftext|>", "<|im_end|>")


def gpt2(folder):
    return byte_level(folder, tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False),
                      "<|endoftext|>", "<|endoftext|>")


def glm(folder):
    return byte_level(folder, split_by(THREE_DIGITS), "<|endoftext|>", "<|endoftext|>",
                      extra=["[gMASK]"])


def word_pieces(folder):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(CORPUS, tokenizers.trainers.WordPieceTrainer(
        vocab_size=VOCABULARY - 20, special_tokens=special))
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json",
               {"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[CLS]",
                "sep_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "[PAD]",
                "mask_token": "[MASK]"})
    write_json(folder / "modules.json", [{"path": "1_Pooling",
                                          "type": "sentence_transformers.models.Pooling"}])
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json",
               {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True})
    return {}


def phi4(folder):
    fields = byte_level(folder, split_by(THREE_DIGITS), "<|endoftext|>", "<|im_end|>")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    write_json(folder / "tokenizer_config.json", {**config, "tokenizer_class": "GPT2Tokenizer"})
    return fields


def sentence_piece(folder, add_space=True):
    text = folder / "corpus.txt"
    text.write_text("\n".join(line.replace("\n", " ") for line in CORPUS))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), model_type="bpe",
        vocab_size=400, byte_fallback=True, character_coverage=0.99, minloglevel=2,
        user_defined_symbols=["<user>"], normalization_rule_name="identity",
        remove_extra_whitespaces=False, allow_whitespace_only_pieces=True,
        add_dummy_prefix=add_space)
    text.unlink()
    (folder / "tokenizer.vocab").unlink()
    write_json(folder / "added_tokens.json", {"<tool>": 401})
    write_json(folder / "tokenizer_config.json",
               {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False,
                "bos_token": "<s>", "eos_token": "</s>", "add_prefix_space": True,
                "added_tokens_decoder": {"402": {"content": "<|turn|>", "special": False},
                                         "403": {"content": "a▁b", "special": False}}})
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}\n")
    return {"bos_token_id": 1, "eos_token_id": 2}


def gemma_pieces(folder):
    return sentence_piece(folder, add_space=False)


# Of most models. Sizes that differ wherever two could be mistaken for each other.
SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
         "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": VOCABULARY,
         "max_position_embeddings": 256}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 48, "num_experts": 6}
LLAMA3_ROPE = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}

# name: configuration class, fields, tokenizer, pre-tokenizer
CASES = {
    "llama2": ("Llama", {**SIZES}, sentence_piece, "default"),
    "llama3": ("Llama", {**SIZES, "rope_parameters": LLAMA3_ROPE, "tie_word_embeddings": True},
               llama3, "llama-bpe"),
    "llama-linear": ("Llama", {**SIZES, "head_dim": 32, "attention_bias": True, "rope_parameters":
                               {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}},
                     llama3, "llama-bpe"),
    "mistral": ("Mistral", {**SIZES, "sliding_window": 128}, sentence_piece, "default"),
    "mixtral": ("Mixtral", {**SIZES, "num_local_experts": 4}, sentence_piece, "default"),
    "qwen2": ("Qwen2", {**SIZES, "rope_parameters":
                        {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0,
                         "original_max_position_embeddings": 64}}, qwen, "qwen2"),
    "qwen3": ("Qwen3", {**SIZES, "head_dim": 32}, qwen, "qwen2"),
    "qwen2moe": ("Qwen2Moe", {**SIZES, **EXPERTS, "shared_expert_intermediate_size": 80,
                              "decoder_sparse_step": 1}, qwen, "qwen2"),
    "qwen3moe": ("Qwen3Moe", {**SIZES, **EXPERTS, "head_dim": 32, "decoder_sparse_step": 1,
                              "norm_topk_prob": True}, qwen, "qwen2"),
    "gemma": ("Gemma", {**SIZES, "head_dim": 32}, gemma_pieces, "default"),
    "gemma2": ("Gemma2", {**SIZES, "head_dim": 32, "query_pre_attn_scalar": 32}, gemma_pieces, "default"),
    "gemma3": ("Gemma3Text", {**SIZES, "head_dim": 32, "query_pre_attn_scalar": 32,
                              "sliding_window": 128}, gemma_pieces, "default"),
    "phi3": ("Phi3", {**SIZES, "pad_token_id": 0}, sentence_piece, "default"),
    "phi3-long": ("Phi3", {**SIZES, "pad_token_id": 0, "max_position_embeddings": 1024,
                           "original_max_position_embeddings": 256, "rope_parameters":
                           {"rope_type": "longrope", "rope_theta": 1e4,
                            "original_max_position_embeddings": 256,
                            "long_factor": [1.0 + i / 4 for i in range(8)],
                            "short_factor": [1.0 + i / 8 for i in range(8)]}}, phi4, "dbrx"),
    "gpt2": ("GPT2", {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 128, "n_ctx": 128,
                      "vocab_size": VOCABULARY}, gpt2, "gpt-2"),
    "gptneox": ("GPTNeoX", {**SIZES}, gpt2, "gpt-2"),
    # Without norms of queries and keys: their generator drops those (a unit test has them).
    "stablelm": ("StableLm", {**SIZES, "use_qkv_bias": True}, qwen, "qwen2"),
    "olmo2": ("Olmo2", {**SIZES, "pad_token_id": 0}, qwen, "qwen2"),
    "olmo3": ("Olmo3", {**SIZES, "pad_token_id": 0, "sliding_window": 64}, qwen, "qwen2"),
    "granite": ("Granite", {**SIZES, "attention_multiplier": 0.125, "embedding_multiplier": 12.0,
                            "residual_multiplier": 0.22, "logits_scaling": 8.0}, gpt2, "gpt-2"),
    "deepseek2": ("DeepseekV2", {**SIZES, "num_key_value_heads": 4, "q_lora_rank": 24,
                                 "kv_lora_rank": 32, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16,
                                 "v_head_dim": 12, "n_routed_experts": 6, "n_shared_experts": 2,
                                 "num_experts_per_tok": 2, "moe_intermediate_size": 48,
                                 "first_k_dense_replace": 1}, qwen, "qwen2"),
    "deepseek3": ("DeepseekV3", {**SIZES, "num_key_value_heads": 4, "q_lora_rank": 24,
                                 "kv_lora_rank": 32, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16,
                                 "v_head_dim": 12, "n_routed_experts": 8, "n_shared_experts": 1,
                                 "num_experts_per_tok": 2, "moe_intermediate_size": 48,
                                 "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1,
                                 "scoring_func": "sigmoid",
                                 "rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4,
                                                     "factor": 40.0, "mscale": 1.0, "mscale_all_dim": 1.0,
                                                     "original_max_position_embeddings": 64}},
                  qwen, "qwen2"),
    "gpt-oss": ("GptOss", {**SIZES, "head_dim": 32, "num_local_experts": 4,
                           "num_experts_per_tok": 2, "sliding_window": 64}, qwen, "qwen2"),
    # With experts as they are published; they stay so, and llama-quantize refuses such files.
    "gpt-oss-mxfp4": ("GptOss", {**SIZES, "head_dim": 32, "num_local_experts": 4,
                                 "num_experts_per_tok": 2, "sliding_window": 64}, qwen, "qwen2"),
    "glm4": ("Glm4", {**SIZES, "head_dim": 32, "pad_token_id": 0}, glm, "glm4"),
    "command-r": ("Cohere", {**SIZES, "use_qk_norm": True}, qwen, "qwen2"),
    "cohere2": ("Cohere2", {**SIZES, "rotary_pct": 1.0}, qwen, "qwen2"),
    "falcon": ("Falcon", {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
                          "num_kv_heads": 2, "new_decoder_architecture": True, "alibi": False,
                          "vocab_size": VOCABULARY}, gpt2, "gpt-2"),
    "falcon-7b": ("Falcon", {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
                             "num_kv_heads": 1, "multi_query": True, "alibi": False,
                             "vocab_size": VOCABULARY}, gpt2, "gpt-2"),
    "bert": ("Bert", {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
                      "intermediate_size": 96, "vocab_size": VOCABULARY,
                      "max_position_embeddings": 128}, word_pieces, "bert-bge"),
    "smollm3": ("SmolLM3", {**SIZES, "pad_token_id": 0}, llama3, "llama-bpe"),
}


def pack_experts(folder):
    """Random blocks of 4-bit floats and their scales in place of the experts' weights."""
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors.update(safetensors.torch.load_file(file))
        file.unlink()
    (folder / "model.safetensors.index.json").unlink(missing_ok=True)
    for name in [n for n in tensors if n.endswith(("experts.gate_up_proj", "experts.down_proj"))]:
        experts, columns, rows = tensors.pop(name).shape
        shape = (experts, rows, columns // 32)
        tensors[name + "_blocks"] = torch.randint(0, 256, (*shape, 16), dtype=torch.uint8)
        tensors[name + "_scales"] = torch.randint(110, 130, shape, dtype=torch.uint8)
    safetensors.torch.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {**config, "quantization_config": {"quant_method": "mxfp4"}})


EDITS = {"gpt-oss-mxfp4": pack_experts}

CARD = """---
license: apache-2.0
language:
- en
- de
tags: [tiny, test]
pipeline_tag: text-generation
base_model: some-org/Base-Model-1.5B-v0.3
datasets:
- some-org/some-data
---
# A model
"""


def write_json(path, content):
    path.write_text(json.dumps(content))


def make_model(folder, family, fields, make_tokenizer):
    folder.mkdir()
    fields = {**fields, **make_tokenizer(folder)}
    torch.manual_seed(1)
    config = getattr(transformers, family + "Config")(**fields)
    auto = transformers.AutoModel if family == "Bert" else transformers.AutoModelForCausalLM
    model = auto.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.2)
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="200KB")
    write_json(folder / "generation_config.json", {"temperature": 0.6, "top_k": 20, "top_p": 0.95,
                                                   "repetition_penalty": 1.05})
    (folder / "README.md").write_text(CARD)


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError((done.stderr or done.stdout).strip()[-1500:])
    return done.stdout


def content(path):
    """Everything that a GGUF file says: keys and tensors as comparable values."""
    reader = gguf.GGUFReader(path)
    found = {}
    for key, field in reader.fields.items():
        if not key.startswith("GGUF."):
            found[key] = (tuple(kind.name for kind in field.types), field.contents())
    for tensor in reader.tensors:
        # llama-quantize drops outer dimensions of 1.
        shape = list(map(int, tensor.shape))
        while len(shape) > 1 and shape[-1] == 1:
            shape.pop()
        found["tensor " + tensor.name] = (tensor.tensor_type.name, tuple(shape),
                                          tensor.data.tobytes())
    return found


def brief(value):
    text = repr(value) if value is not None else "nothing"
    return text if len(text) < 160 else text[:157] + "..."


def intended(case, what):
    return next((why for only, name, why in INTENDED
                 if name == what and only in ("", case, case.split()[0])), None)


def compare(case, ours, theirs):
    """Prints each difference; returns how many are not intended."""
    wrong = 0
    for what in sorted({*ours, *theirs}):
        if ours.get(what) == theirs.get(what):
            continue
        why = intended(case, what)
        wrong += why is None
        label = f"intended ({why})" if why else "DIFFERENT"
        print(f"  {label}: {what}\n    ours   {brief(ours.get(what))}\n"
              f"    theirs {brief(theirs.get(what))}")
    return wrong


def check(stkit, folder, case):
    family, fields, make_tokenizer, pre = CASES[case]
    model = folder / f"tiny-{case}"
    make_model(model, family, fields, make_tokenizer)
    EDITS.get(case, lambda folder: None)(model)
    ours, theirs, theirs_f32 = folder / "ours.gguf", folder / "theirs.gguf", folder / "f32.gguf"
    run([sys.executable, "-c", CONVERT.format(root=LLAMA_CPP, pre=pre, model=str(model),
                                              out=str(theirs_f32))])
    wrong = 0
    for mix in ["F32", *([] if case in EDITS else MIXES)]:
        run([stkit, "quantize", model, "-o", ours, "--type", mix, "--force", "-q"])
        if mix != "F32":
            run([QUANTIZER, theirs_f32, theirs, mix, "1"])
        mine = content(ours)
        different = compare(f"{case} {mix}", mine, content(theirs if mix != "F32" else theirs_f32))
        wrong += different
        tensors = sum(what.startswith("tensor ") for what in mine)
        print(f"{case} {mix}: {len(mine) - tensors} keys and {tensors} tensors, "
              f"{f'{different} different' if different else 'the same'}", flush=True)
    return wrong


def main():
    stkit, *chosen = sys.argv[1:]
    random.seed(1)
    failed = []
    for case in chosen or CASES:
        with tempfile.TemporaryDirectory() as name:
            try:
                if check(stkit, pathlib.Path(name), case):
                    failed.append(case)
            except Exception as error:  # of one architecture, while the others go on
                print(f"{case}: FAILED: {error}")
                failed.append(case)
    if not MIXES:
        print("STKIT_LLAMA_CPP_BIN names no folder with llama-quantize: no mix was compared")
    print(f"{len(chosen or CASES) - len(failed)} architectures agree; "
          f"{'not: ' + ', '.join(failed) if failed else 'all of them'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
