#include "model/other_formats.h"

#include <fmt/format.h>

#include "formats/finding_log.h"
#include "model/listing.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kPyTorch = "PyTorch weights";
constexpr std::string_view kNumpy = "NumPy archives";

// The most telling first: a ZeRO checkpoint also holds .pt files, a DCP folder often .bin files.
constexpr OtherFormat kOtherFormats[] = {
    {"{latest,*_optim_states.pt}", EntryKind::File, "a DeepSpeed checkpoint"},
    {"global_step*", EntryKind::Folder, "a DeepSpeed checkpoint"},
    {"*.distcp", EntryKind::File, "a torch.distributed checkpoint"},
    {"pytorch_model_fsdp_*", EntryKind::Folder, "a torch.distributed checkpoint"},
    {"model_world_size_*_rank_*.pt", EntryKind::File, "a sharded verl checkpoint"},
    {"mp_rank_*", EntryKind::Folder, "a Megatron checkpoint"},
    {"*.gguf", EntryKind::File, "GGUF files"},
    {"*.uqff", EntryKind::File, "UQFF files (layers quantized by mistral.rs)"},
    {"*.{bin,pt,pth,ckpt}", EntryKind::File, kPyTorch},
    {"*.npz", EntryKind::File, kNumpy},
    {"*.h5", EntryKind::File, "TensorFlow weights"},
    {"*.msgpack", EntryKind::File, "Flax weights"},
    {"*.onnx", EntryKind::File, "ONNX files"},
    {"*.{ot,ggml,nemo,tflite,mlmodel,dduf}", EntryKind::File, "weights of another framework"},
};

// The first row that an entry of the folder is of.
const OtherFormat* most_telling(std::span<const FolderEntry> listing, std::string_view& example) {
  const OtherFormat* best = nullptr;
  for (const FolderEntry& entry : listing) {
    const OtherFormat* row = recognise_other_format(entry);
    if (row == nullptr || (best != nullptr && best <= row)) continue;
    best = row;
    example = base_name(entry.name);
  }
  return best;
}

}  // namespace

std::optional<FileFormat> format_of_other_weights(std::span<const FolderEntry> listing) {
  std::string_view example;
  const OtherFormat* const best = most_telling(listing, example);
  if (best != nullptr && best->what == kPyTorch) return FileFormat::PyTorch;
  if (best != nullptr && best->what == kNumpy) return FileFormat::Npz;
  return std::nullopt;
}

const OtherFormat* recognise_other_format(const FolderEntry& entry) {
  const std::string_view name = base_name(entry.name);
  for (const OtherFormat& row : kOtherFormats) {
    if (row.kind != entry.kind || !glob_match(row.pattern, name)) continue;
    return row.what == kPyTorch && !is_weights_name(name, FileFormat::PyTorch) ? nullptr : &row;
  }
  return nullptr;
}

std::string describe_other_formats(std::span<const FolderEntry> listing) {
  std::string_view example;
  const OtherFormat* const best = most_telling(listing, example);
  return best == nullptr ? std::string() : fmt::format("{} ({})", best->what, quoted_name(example));
}

Error unsupported_format(std::string_view what, std::string path, std::string hint) {
  if (hint.empty())
    hint =
        "stkit reads safetensors, GGUF, PyTorch and NumPy files, DeepSpeed and distributed "
        "checkpoints";
  return {ErrorCode::Unsupported, fmt::format("{} cannot be read", what), std::move(hint),
          std::move(path)};
}

}  // namespace stkit
