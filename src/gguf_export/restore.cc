#include "gguf_export/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "formats/finding_log.h"
#include "gguf_export/arch/registry.h"
#include "gguf_export/decoded_file.h"
#include "gguf_export/way_back.h"
#include "model/model_contents.h"
#include "stkit/text.h"

namespace stkit::gguf_export {
namespace {

bool is_block(DType dtype) { return info(dtype).kind == DTypeKind::GgmlBlock; }

// A tensor of the model that is restored: one part, or two halves.
struct Published {
  struct Part {
    uint32_t tensor;  // of the GGUF file
    std::vector<TensorBox> boxes;
  };
  std::string name;
  std::vector<uint64_t> shape, view;
  std::vector<Part> parts;
  float shift = 0;
};

uint64_t product(std::span<const uint64_t> sizes) {
  uint64_t all = 1;
  for (const uint64_t size : sizes) all *= size;
  return all;
}

// The files and metadata of the GGUF model with other tensors.
class Restorer {
 public:
  explicit Restorer(ModelContents contents) : contents_(std::move(contents)) {}

  Result<RestoredModel> run() {
    auto published = publish();
    std::string problem = published ? std::string() : published.error().message;
    STKIT_TRY(replace_tensors(published ? *std::move(published) : as_they_are()));
    contents_.metadata.clear();  // about a GGUF file, and a summary only
    return RestoredModel{ModelAccess::make(std::move(contents_)), std::move(decoded_),
                         std::move(problem)};
  }

 private:
  // Fails as soon as one tensor has no way back: half a model under each kind of names helps
  // nobody.
  Result<std::vector<Published>> publish() const {
    const std::string name(
        as_string(find(contents_.gguf_metadata, "general.architecture")).value_or(""));
    const Architecture* const architecture = find_architecture_by_name(name);
    if (architecture == nullptr)
      return fail(ErrorCode::Unsupported,
                  fmt::format("the architecture {} is not known", quoted_name(name)));
    const WayBack way(*architecture, contents_.gguf_metadata);
    std::vector<Published> all;
    std::map<std::string, size_t, std::less<>> place_of;
    for (uint32_t i = 0; i < contents_.tensors.size(); ++i) {
      STKIT_ASSIGN(std::vector<PublishedPart> parts, way.parts_of(contents_.tensors[i]));
      for (PublishedPart& part : parts) {
        const auto [place, is_new] = place_of.emplace(part.name, all.size());
        if (is_new)
          all.push_back({part.name, std::move(part.shape), std::move(part.view), {}, part.shift});
        else if (all[place->second].view != part.view)
          return fail(ErrorCode::Unsupported,
                      fmt::format("two tensors would be named {}", quoted_name(part.name)));
        all[place->second].parts.push_back({i, std::move(part.boxes)});
      }
    }
    for (const Published& tensor : all) STKIT_TRY(check_whole(tensor));
    return all;
  }

  // Every element once: halves are both there, and nothing twice.
  static Result<void> check_whole(const Published& tensor) {
    uint64_t covered = 0;
    for (const Published::Part& part : tensor.parts)
      for (const TensorBox& box : part.boxes) covered += product(box.size);
    bool apart = tensor.parts.size() <= 2;
    if (tensor.parts.size() == 2)
      apart = tensor.parts[0].boxes.front().origin != tensor.parts[1].boxes.front().origin;
    if (apart && covered == product(tensor.view)) return {};
    return fail(ErrorCode::Unsupported,
                fmt::format("{} of the {} elements of {} are there", format_grouped(covered),
                            format_grouped(product(tensor.view)), quoted_name(tensor.name)));
  }

  std::vector<Published> as_they_are() const {
    std::vector<Published> all;
    for (uint32_t i = 0; i < contents_.tensors.size(); ++i) {
      const TensorInfo& tensor = contents_.tensors[i];
      const uint64_t count = tensor.element_count;
      TensorBox box{.origin = {0}, .size = {count}, .strides = {1}};
      all.push_back({std::string(tensor.name),
                     {tensor.shape.begin(), tensor.shape.end()},
                     {count},
                     {{i, {std::move(box)}}}});
    }
    return all;
  }

  Result<void> replace_tensors(const std::vector<Published>& published) {
    Arena storage;
    std::vector<TensorInfo> tensors;
    for (const Published& one : published) {
      TensorInfo tensor;
      tensor.name = storage.copy(one.name);
      tensor.shape = storage.copy(std::span<const uint64_t>(one.shape));
      tensor.element_count = product(one.shape);
      STKIT_ASSIGN(BoxedTensor boxes, boxes_of(one, tensor));
      STKIT_ASSIGN(tensor.size_bytes, storage_bytes(tensor.dtype, tensor.element_count));
      tensor.contiguous = boxes.sources.empty() && is_contiguous(boxes);
      const uint64_t stored_at = contents_.tensors[one.parts.front().tensor].offset_bytes;
      tensor.offset_bytes = tensor.contiguous ? boxes.boxes.front().offset_bytes : stored_at;
      if (!tensor.contiguous)
        contents_.boxed.emplace(std::pair(tensor.file, tensor.name), std::move(boxes));
      tensors.push_back(tensor);
    }
    contents_.tensors = std::move(tensors);
    contents_.storage.push_back(std::move(storage));
    contents_.names = NameIndex(static_cast<uint32_t>(contents_.tensors.size()),
                                [&](uint32_t i) { return contents_.tensors[i].name; });
    return {};
  }

  // Elements stay as they are stored where they are plain and all of one dtype.
  Result<BoxedTensor> boxes_of(const Published& published, TensorInfo& tensor) {
    const TensorInfo& first = contents_.tensors[published.parts.front().tensor];
    bool has_blocks = false, computed = published.shift != 0;
    for (const Published::Part& part : published.parts) {
      const DType dtype = contents_.tensors[part.tensor].dtype;
      has_blocks |= is_block(dtype);
      computed |= is_block(dtype) || dtype != first.dtype;
    }
    decoded_.push_back(has_blocks);
    tensor.file = first.file;
    tensor.dtype = computed ? DType::F32 : first.dtype;

    BoxedTensor boxes{.shape = published.view, .unit_bytes = info(tensor.dtype).block_bytes};
    for (const Published::Part& part : published.parts) {
      const TensorInfo& source = contents_.tensors[part.tensor];
      if (computed) {
        STKIT_ASSIGN(auto values, open_decoded(source, published.shift, opener(source.file)));
        boxes.sources.push_back(std::move(values));
      }
      for (TensorBox box : part.boxes) {
        box.file = computed ? static_cast<uint32_t>(boxes.sources.size() - 1) : source.file;
        box.offset_bytes =
            box.offset_bytes * boxes.unit_bytes + (computed ? 0 : source.offset_bytes);
        boxes.boxes.push_back(std::move(box));
      }
    }
    return boxes;
  }

  OpenFile opener(uint32_t file) const {
    return [pool = contents_.pool.get(), file] { return pool->open(file); };
  }

  ModelContents contents_;
  std::vector<bool> decoded_;
};

}  // namespace

Result<RestoredModel> restore_model(Model gguf) {
  STKIT_CHECK(gguf.format() == FileFormat::Gguf);
  return Restorer(ModelAccess::take(std::move(gguf))).run();
}

}  // namespace stkit::gguf_export
