#include "ops/merge/work.h"
#include "stkit/json.h"
#include "stkit/merge.h"

namespace stkit {
namespace {

void write_strings(JsonWriter& json, std::string_view key, std::span<const std::string> strings) {
  json.key(key).begin_array();
  for (const std::string& text : strings) json.value(text);
  json.end_array();
}

}  // namespace

void write_json(JsonWriter& json, const MergePlan& plan) {
  json.begin_object();
  json.field("output", plan.output());
  json.field("output_bytes", plan.output_bytes()).field("input_bytes", plan.input_bytes());
  json.field("tensors", MergeAccess::work(plan).weights.specs.size());
  json.field("cast_tensors", plan.cast_tensors());
  json.field("peak_memory_bytes", plan.peak_memory_bytes({}));
  json.key("files").begin_array();
  for (const MergePlan::File& file : plan.files()) {
    json.begin_object();
    json.field("name", file.name).field("bytes", file.size_bytes).field("tensors", file.tensors);
    json.field("role", file.is_weights ? "weights" : "companion");
    json.end_object();
  }
  json.end_array();
  write_strings(json, "warnings", plan.warnings());
  json.end_object();
}

void write_json(JsonWriter& json, const MergeReport& report) {
  json.begin_object();
  json.field("output", report.output).field("output_bytes", report.output_bytes);
  json.field("shared_bytes", report.shared_bytes);
  json.field("io", io_mode_names()[static_cast<size_t>(report.io)]);
  json.field("seconds", report.seconds);
  json.key("overflows").begin_array();
  for (const OverflowCount& overflow : report.overflows)
    json.begin_object()
        .field("tensor", overflow.tensor)
        .field("values", overflow.values)
        .end_object();
  json.end_array();
  json.key("model_digest");
  report.model_digest ? json.value(*report.model_digest) : json.null();
  json.end_object();
}

}  // namespace stkit
