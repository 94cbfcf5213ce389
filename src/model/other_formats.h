// Weights in other formats than safetensors, by the names of files and folders.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "stkit/error.h"
#include "stkit/io.h"
#include "stkit/model.h"

namespace stkit {

struct OtherFormat {
  std::string_view pattern;  // of a file's or folder's own name
  EntryKind kind;
  std::string_view what;  // "GGUF files"
};

// What the folder is read as where it holds no safetensors: the most telling of its formats, if
// that is one whose files are opened one by one.
std::optional<FileFormat> format_of_other_weights(std::span<const FolderEntry> listing);

// The row that `entry` is of, or null.
const OtherFormat* recognise_other_format(const FolderEntry& entry);

// The most telling of the other formats in a folder, with an example: "PyTorch weights
// ('pytorch_model.bin')". Empty when there is none.
std::string describe_other_formats(std::span<const FolderEntry> listing);

// `what` is what the input is, as a noun.
Error unsupported_format(std::string_view what, std::string path, std::string hint = {});

}  // namespace stkit
