// The numbers of a config.json, with what its class would supply for those that it leaves out.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

#include "base/json_reader.h"

namespace stkit::gguf_export {

class HyperParameters;

// What transformers' configuration class supplies for a field. With `derive`, also for one that is
// there as null, as those classes do with fields that they compute.
struct ConfigDefault {
  std::string_view field;
  double value = 0;
  std::optional<double> (*derive)(const HyperParameters&) = nullptr;
};

// A view: the configuration and the defaults must outlive it. Fields are those of the text model
// first, where a multimodal configuration wraps one, then those at the top.
class HyperParameters {
 public:
  HyperParameters(const JsonValue& config, std::span<const ConfigDefault> defaults);

  // Null when it is absent or null.
  const JsonValue* field(std::string_view name) const;
  // False and 0 only for what is there: a field that is null is nothing.
  std::optional<double> number(std::string_view name) const;
  // A number that is whole and not negative.
  std::optional<uint64_t> count(std::string_view name) const;
  std::optional<bool> flag(std::string_view name) const;
  std::optional<std::string_view> text(std::string_view name) const;
  // The first of several names that gives a number.
  std::optional<double> first_number(std::initializer_list<std::string_view> names) const;

  // What rotates positions. Recent models keep all of it in rope_parameters (by type of layer,
  // where those differ: then it is that of full attention), older ones beside and in rope_scaling.
  std::optional<double> rope_number(std::string_view name) const;
  std::string_view rope_type() const;  // lower-case as written; empty without
  std::span<const JsonValue> rope_list(std::string_view name) const;  // empty without
  std::optional<double> rope_theta() const;
  std::optional<double> sliding_rope_theta() const;  // of layers with a sliding window

  std::optional<uint64_t> layers() const;
  std::optional<uint64_t> heads() const;
  std::optional<uint64_t> kv_heads() const;  // defaults to heads()
  std::optional<uint64_t> embedding() const;
  // Of one head: head_dim, or embedding() / heads().
  std::optional<uint64_t> head_dim() const;
  std::optional<uint64_t> experts() const;

 private:
  const JsonValue* rope_field(std::string_view name) const;
  const ConfigDefault* default_of(std::string_view name) const;

  const JsonValue* top_;
  const JsonValue* text_ = nullptr;  // the inner configuration, if there is one
  std::span<const ConfigDefault> defaults_;
};

// The class that config.json names: that of the text model where it has one of its own. Empty when
// there is none.
std::string_view architecture_class(const JsonValue& config);

}  // namespace stkit::gguf_export
