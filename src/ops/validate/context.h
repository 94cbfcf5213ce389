// What the checks of one run look at, and where they report.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_reader.h"
#include "ops/validate/name_table.h"
#include "stkit/validate.h"

namespace stkit {

// config.json as the language model inside sees it. All of it is foreign: every accessor answers
// nothing when the key is absent or of another type.
class ConfigView {
 public:
  explicit ConfigView(const JsonValue* root);  // null when there is none

  bool present() const { return root_ != nullptr; }
  const JsonValue* root() const { return root_; }
  // The nested configuration of the text part (text_config, llm_config, ...), else the root.
  const JsonValue* text() const { return text_; }

  // The first of `keys` that the text part has as a whole number.
  std::optional<uint64_t> number(std::initializer_list<std::string_view> keys) const;
  // In the root, else in the text part.
  const JsonValue* find(std::string_view key) const;
  std::string_view text_of(std::string_view key) const;  // of a string; empty when absent
  // Of the text part, where it has one.
  std::string_view model_type() const;
  std::string_view architecture() const;
  // `quantization_config`, or the `quantization` of MLX, wherever it is; null when absent.
  const JsonValue* quantization() const;

 private:
  const JsonValue* root_;
  const JsonValue* text_ = nullptr;
};

struct Context {
  Context(const Model& scanned, const ValidateOptions& asked, const RunOptions& how);

  void report(Check check, std::string path, std::string message);
  void report(Finding finding) { findings.push_back(std::move(finding)); }

  // By their names beside the weights, which may lie in a subfolder of model.folder().
  const ModelFile* file(std::string_view name) const;  // of the bundle; null when absent
  bool in_folder(std::string_view name) const;         // whether part of the model or not
  std::string folder_path() const;
  const std::string& path_of(const TensorInfo& tensor) const;
  // Whether its file is long enough to hold it: a truncated one has been reported already.
  bool readable(const TensorInfo& tensor) const;
  std::string config_path() const { return model.folder().path_of(subfolder + "config.json"); }

  const Model& model;
  const ValidateOptions& options;
  const RunOptions& run;
  ConfigView config;
  NameTable names;
  std::string subfolder;             // "" or "unet/"
  std::vector<FolderEntry> entries;  // of the folder with the weights, sorted by name
  std::vector<uint32_t> weights;     // indices into model.files()

  // The stack of layers that num_hidden_layers counts: "model.layers"; empty when not recognised.
  std::string_view text_stack;
  // One weight file was asked for by name, rather than a bundle.
  bool lone_file = false;
  // False for one shard of several, opened by its own name: nothing can be said about the rest.
  bool whole = true;
  std::vector<Finding> findings;
};

// "4096, 11008" in brackets.
std::string shape_text(Shape shape);

}  // namespace stkit
