#pragma once

#include <filesystem>

namespace stkit::test {

// The models that the cases speak of, made in `folder`:
//   tiny/              the tiny model of tests/data
//   two.safetensors    two tensors, one of them F8
//   other.safetensors  the same with one value, one shape and one name different
//   layers/            12 equal layers, two shards, config.json
//   short.safetensors  two.safetensors less its last byte
//   run/               checkpoint-500 in two shards, checkpoint-1000, checkpoint-1500 cut short
//   names.safetensors  tensor names and metadata that would harm a terminal
void make_fixtures(const std::filesystem::path& folder);

}  // namespace stkit::test
