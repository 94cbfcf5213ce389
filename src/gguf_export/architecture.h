// An architecture as llama.cpp knows it, as data: how its numbers and its tensors are called in a
// published model and in GGUF. One small file each in arch/; arch/registry.cc lists them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf_value.h"
#include "gguf_export/hyper_parameters.h"

namespace stkit::gguf_export {

class MetadataBuilder;

// One number of the model: the first of the fields that is there, or what `compute` makes. A row
// that gives nothing writes nothing; an array of numbers, one a layer, is written as one.
struct KeyRow {
  std::string_view key;           // behind the name of the architecture: "attention.head_count"
  GgufType type = GgufType::U32;  // or F32, Bool
  std::array<std::string_view, 6> fields = {};
  std::optional<double> (*compute)(const HyperParameters&) = nullptr;
  bool required = false;
};

// How the elements of an output tensor lie in the input.
enum class Arrange : uint8_t {
  AsIs,
  RotaryPairsQ,  // rows of each head: halves h0 h1 become pairs (h0[0], h1[0]), (h0[1], h1[1]), ...
  RotaryPairsK,  // the same, with as many heads as there are for keys
  Transpose,     // of the last two dimensions
  Stack,         // one behind the other, by the second number of the name
  FirstHalf,     // of the rows (of each matrix, where there are several)
  SecondHalf,    //
  HeadsToQkv,    // rows [head][q, k, v] as [q, k, v][head]
  GroupsToQkv,   // rows [group][q..., k, v] as all q, all k, all v
  EvenRows,      // rows 0, 2, 4, ... of each matrix
  OddRows,       //
  EvenColumns,   // of the last two dimensions, transposed: columns 0, 2, 4, ... as rows
  OddColumns,    //
  KeyHalf,       // rows [head][key, value]: the keys' rows of each head, transposed
  ValueHalf,     // the same: the values' rows
  Packed,        // blocks of 4-bit floats (MXFP4), whose scales are in `..._scales`
  PackedEvenRows,  // of those, rows 0, 2, 4, ... of each matrix
  PackedOddRows,   //
  AfterPadding,    // without the rows up to and with that of the padding token
};

struct TensorRow {
  // Without prefix; each number is `{}`. With or without the ending `.weight` or `.bias`: without,
  // both are meant.
  std::string_view from;
  std::string_view to;  // `{}` is the first number; empty: left out
  Arrange arrange = Arrange::AsIs;
};

// A tensor that no file holds.
struct GeneratedTensor {
  std::string_view name;
  std::vector<float> (*values)(const HyperParameters&);  // empty: none for this model
};

// A special token that a family's files do not name, but has: by the text of an added token.
struct NamedToken {
  std::string_view key;  // "eot" of tokenizer.ggml.eot_token_id
  std::string_view text;
};

// Which tokenizer a model of this kind has when its files leave a choice.
enum class VocabularyChoice : uint8_t {
  Json,           // what tokenizer.json describes
  SentencePiece,  // tokenizer.model where there is one, else tokenizer.json
};

struct Architecture {
  std::string_view name;                      // "llama"
  std::span<const std::string_view> classes;  // "LlamaForCausalLM"
  std::span<const ConfigDefault> defaults;
  std::span<const std::span<const KeyRow>> keys;     // later rows replace earlier ones of a key
  std::span<const std::span<const TensorRow>> rows;  // earlier rows come first
  std::span<const std::string_view> prefixes;  // one of them is taken off a name, if it is there
  std::span<const GeneratedTensor> generated = {};
  // What is no number: types of rope scaling, patterns of layers.
  void (*more_keys)(const HyperParameters&, MetadataBuilder&) = nullptr;

  VocabularyChoice vocabulary = VocabularyChoice::Json;
  std::span<const NamedToken> special_tokens = {};      // where the files name none
  std::optional<bool> add_space_prefix = std::nullopt;  // of SentencePiece, where it is fixed
  // What the model says and llama.cpp computes otherwise, a sentence for people; empty: nothing.
  std::string (*caveat)(const HyperParameters&) = nullptr;
  // Added to the weights of all norms (Gemma stores them around 0).
  float norm_shift = 0;
  // The loader wants output.weight even where it is the same as the embedding.
  bool needs_output = false;
  // The loader has no use for output.weight.
  bool drops_output = false;
  // Layers beyond the number of them (for predicting several tokens) are left out.
  bool drops_extra_layers = false;
};

}  // namespace stkit::gguf_export
