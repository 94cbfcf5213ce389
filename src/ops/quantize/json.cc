// The documents of `quantize --json`. Keys and their order are a contract with scripts: add at the
// end, never rename.
#include "stkit/json.h"

#include <map>

#include "stkit/quantize.h"

namespace stkit {
namespace {

void write_errors(JsonWriter& json, const ErrorMetrics& errors) {
  json.field("rmse", errors.rmse).field("relative_rmse", errors.relative_rmse);
  json.field("cosine_similarity", errors.cosine_similarity);
  json.field("max_abs_error", errors.max_abs_error).field("sqnr_db", errors.sqnr_db);
}

void write_tensor(JsonWriter& json, const QuantizePlan::Tensor& tensor,
                  const ErrorMetrics* errors) {
  json.begin_object().field("name", tensor.name).field("source", tensor.source);
  json.field("from", name(tensor.from)).field("to", name(tensor.to));
  json.key("shape").begin_array();
  for (const uint64_t dimension : tensor.shape) json.value(dimension);
  json.end_array().field("bytes", tensor.size_bytes);
  if (errors != nullptr) write_errors(json, *errors);
  json.field("rule", tensor.rule).field("source_tensors", tensor.source_count);
  json.end_object();
}

void write_types(JsonWriter& json, const QuantizePlan& plan) {
  std::map<DType, uint64_t> counts;
  for (const QuantizePlan::Tensor& tensor : plan.tensors()) ++counts[tensor.to];
  json.key("types").begin_object();
  for (const auto& [type, count] : counts) json.field(name(type), count);
  json.end_object();
}

void write_fallbacks(JsonWriter& json, const QuantizePlan& plan) {
  json.key("fallbacks").begin_array();
  for (const QuantizePlan::Tensor& tensor : plan.tensors()) {
    if (!tensor.instead_of) continue;
    json.begin_object().field("name", tensor.name).field("row_elements", tensor.shape.back());
    json.field("wanted", name(*tensor.instead_of)).field("got", name(tensor.to));
    json.field("parameters", tensor.element_count).end_object();
  }
  json.end_array();
  json.field("fallback_share", plan.parameter_count() == 0
                                   ? 0.0
                                   : static_cast<double>(plan.fallback_parameters()) /
                                         static_cast<double>(plan.parameter_count()));
}

void write_document(JsonWriter& json, const QuantizePlan& plan, const QuantizeReport* report) {
  json.begin_object();
  if (!plan.quantized_already().empty()) {
    json.key("output").null().field("quantization", plan.quantized_already()).end_object();
    return;
  }
  json.field("output", plan.output()).field("input_bytes", plan.input_bytes());
  json.field("output_bytes", plan.output_bytes());
  json.field("compression_ratio",
             static_cast<double>(plan.input_bytes()) / static_cast<double>(plan.output_bytes()));
  json.field("bits_per_weight", plan.bits_per_weight());
  json.key("tensors").begin_array();
  for (size_t i = 0; i < plan.tensors().size(); ++i)
    write_tensor(json, plan.tensors()[i],
                 report == nullptr || report->errors.empty() ? nullptr : &report->errors[i]);
  json.end_array();
  write_types(json, plan);
  write_fallbacks(json, plan);
  json.key("warnings").begin_array();
  for (const std::string& warning : plan.warnings()) json.value(warning);
  json.end_array();
  if (report != nullptr) {
    if (report->total_error) write_errors(json, *report->total_error);
    json.key("non_finite").begin_array();
    for (const auto& [tensor, values] : report->non_finite)
      json.begin_object()
          .field("name", plan.tensors()[tensor].name)
          .field("values", values)
          .end_object();
    json.end_array();
    json.field("seconds", report->seconds).field("threads", report->threads);
  }
  json.end_object();
}

}  // namespace

void write_json(JsonWriter& json, const QuantizePlan& plan) { write_document(json, plan, nullptr); }

void write_json(JsonWriter& json, const QuantizePlan& plan, const QuantizeReport& report) {
  write_document(json, plan, &report);
}

}  // namespace stkit
