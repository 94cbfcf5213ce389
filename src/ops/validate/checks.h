// The checks beyond those that come with opening a model, one function a rule. Each reports what
// it finds into the context; an Error stops the run and means that something could not be read.
#pragma once

#include "ops/validate/context.h"

namespace stkit {

// config_shapes.cc, config_checks.cc, layer_checks.cc: config.json against the tensors' headers.
void check_config_shapes(Context& context);
void check_tied_head(Context& context);
void check_config_dtype(Context& context);
void check_quantization(Context& context);
void check_layers(Context& context);
void check_even_layers(Context& context);
void check_experts(Context& context);

// companion_checks.cc, tokenizer_checks.cc
void check_config_file(Context& context);
void check_tokenizer_files(Context& context);
void check_companions(Context& context);
void check_tokenizer(Context& context);

// loader_checks.cc
void check_loader_files(Context& context);
void check_loader_weights(Context& context);
void check_loader_dtypes(Context& context);
void check_loader_quantization(Context& context);
void check_loader_quirks(Context& context);

// weight_checks.cc: the first reads headers only.
void check_placeholders(Context& context);
Result<void> check_weights(Context& context);
Result<void> check_zero_tail(Context& context);

// gguf_checks.cc: what lies between the tensors of a GGUF file.
Result<void> check_gguf_gaps(Context& context);

// checksum_checks.cc: the list's lines, and what the download left about each file's digest.
Result<void> check_checksums(Context& context);
Result<void> check_download_evidence(Context& context);

// hub_checks.cc: against what the Hub says of a revision's files.
Result<void> check_hub_checksums(Context& context);

// against_checks.cc: the digest of the validated model.
Result<std::string> check_against(Context& context, const Model& other);

}  // namespace stkit
