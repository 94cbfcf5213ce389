// A published model as GGUF: every key and every tensor, before any weight is read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf_export/element_source.h"
#include "gguf_export/metadata_builder.h"
#include "stkit/error.h"
#include "stkit/model.h"

namespace stkit::gguf_export {

struct ExportTensor {
  std::string name;             // of GGUF: "blk.0.attn_q.weight"
  std::vector<uint64_t> shape;  // outermost first
  ElementSource source;
};

struct ExportOptions {
  // Of the architecture, instead of what config.json says: a name of llama.cpp.
  std::string architecture = {};
  std::string pre_tokenizer = {};  // tokenizer.ggml.pre, instead of what the tokenizer looks like
  std::string name = {};           // general.name, instead of the model card's or the folder's
};

// What the rules of a mix ask about a model.
struct ModelShape {
  std::string architecture;
  uint64_t layers = 0, heads = 0, kv_heads = 0, experts = 0;
};

// As who reads a file with this metadata sees it: where layers differ, the first counts.
ModelShape model_shape(std::span<const GgufEntry> metadata);

struct ExportPlan {
  MetadataBuilder metadata;           // but what is about the types of the tensors
  std::vector<ExportTensor> tensors;  // in the order in which llama-quantize writes them
  ModelShape model;
  std::vector<std::string> notes;  // what was decided on thin evidence, for people
};

// Reads config.json, the tokenizer's files, the model card and the headers, never a weight. Fails
// with Unsupported on an architecture that is not known, a kind of quantized weights that cannot be
// read back, and a tokenizer of no known kind; with Corrupt where tensors and config.json disagree.
Result<ExportPlan> plan_export(const Model& model, const ExportOptions& options = {});

// The same order for any names: what belongs to no layer, by name; then layer by layer, by name.
bool gguf_order(std::string_view left, std::string_view right);

}  // namespace stkit::gguf_export
