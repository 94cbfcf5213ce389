// Weights in other formats than safetensors, by the names of files and folders.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "stkit/error.h"
#include "stkit/io.h"

namespace stkit {

struct OtherFormat {
  std::string_view pattern;  // of a file's or folder's own name
  EntryKind kind;
  std::string_view what;  // "GGUF files"
};

// Whether PyTorch's own files are the most telling of them: what the folder is read as, then.
bool is_folder_of_pytorch_weights(std::span<const FolderEntry> listing);

// The row that `entry` is of, or null.
const OtherFormat* recognise_other_format(const FolderEntry& entry);

// The most telling of the other formats in a folder, with an example: "PyTorch weights
// ('pytorch_model.bin')". Empty when there is none.
std::string describe_other_formats(std::span<const FolderEntry> listing);

// `what` is what the input is, as a noun.
Error unsupported_format(std::string_view what, std::string path, std::string hint = {});

}  // namespace stkit
