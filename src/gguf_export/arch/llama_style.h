// What most decoders share: the names of the llama-style module tree, and the numbers that go with
// them under the names that configurations give them.
#pragma once

#include "gguf_export/architecture.h"

namespace stkit::gguf_export {

// The numbers that every text model may have; a row without a source writes nothing.
extern const std::span<const KeyRow> kBaseKeys;
// Of a vocabulary, and of heads that rotate as a whole.
extern const std::span<const KeyRow> kRotationKeys;
// rope.scaling.type and rope.dimension_sections.
void base_more_keys(const HyperParameters& config, MetadataBuilder& out);

extern const std::span<const TensorRow> kEmbeddingRows;   // embedding, final norm, output
extern const std::span<const TensorRow> kAttentionRows;   // q, k, v, o as they are
extern const std::span<const TensorRow> kRotaryPairRows;  // the same, q and k in pairs
extern const std::span<const TensorRow> kHeadNormRows;    // norms of q and k
extern const std::span<const TensorRow> kPreNormRows;  // norms in front of both halves of a layer
extern const std::span<const TensorRow> kFeedForwardRows;  // gate, up, down
extern const std::span<const TensorRow> kExpertRows;       // experts one by one or stacked, router

// "model." and what wrappers put in front of it.
extern const std::span<const std::string_view> kModelPrefixes;

// Llama 3's factors, which stretch the slow rotations (`rope_freqs.weight`).
extern const std::span<const GeneratedTensor> kLlama3Generated;

// The defaults of fields that configuration classes compute.
std::optional<double> computed_head_dim(const HyperParameters& config);
std::optional<double> same_as_heads(const HyperParameters& config);

}  // namespace stkit::gguf_export
