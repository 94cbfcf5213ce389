// The files beside the weights: which belong to a model, what they are for, which are missing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/io.h"
#include "stkit/model.h"

namespace stkit {

struct Profile;

// Nothing for weights, training state, caches and large files of no known purpose.
std::optional<FileRole> companion_role(const FolderEntry& entry);

// Subfolders whose files are companions too: chat templates, sentence-transformers modules.
bool is_companion_folder(std::string_view name);

// What a model of this kind comes with and this one lacks: "config.json", "tokenizer.json".
std::vector<std::string> missing_companions(const Model& model, const Profile& profile);

}  // namespace stkit
