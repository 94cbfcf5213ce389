// Pickles made in code, an instruction a call. Written apart from the library's reader.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stkit::test {

class PickleBuilder {
 public:
  explicit PickleBuilder(unsigned protocol = 2);

  PickleBuilder& raw(std::string_view bytes);
  PickleBuilder& none() { return raw("N"); }
  PickleBuilder& boolean(bool value) { return raw(value ? "\x88" : "\x89"); }
  PickleBuilder& integer(int64_t value);
  PickleBuilder& string(std::string_view text);
  PickleBuilder& global(std::string_view module, std::string_view name);
  PickleBuilder& mark() { return raw("("); }
  PickleBuilder& tuple() { return raw("t"); }                   // of what follows the mark
  PickleBuilder& integers(const std::vector<int64_t>& values);  // a tuple
  PickleBuilder& call() { return raw("R"); }                    // of a callable and a tuple
  PickleBuilder& dict() { return raw("}"); }
  PickleBuilder& set_items() { return raw("u"); }  // what follows the mark
  PickleBuilder& put(uint8_t index);
  PickleBuilder& get(uint8_t index);
  // collections.OrderedDict()
  PickleBuilder& ordered_dict();
  // ("storage", torch.<type>Storage, key, "cpu", count) as a persistent id.
  PickleBuilder& storage(std::string_view type, std::string_view key, int64_t count);
  // torch._utils._rebuild_tensor_v2 of all of that.
  PickleBuilder& tensor(std::string_view type, std::string_view key, int64_t count, int64_t offset,
                        const std::vector<int64_t>& shape, const std::vector<int64_t>& strides);

  std::string bytes() const { return bytes_ + "."; }

 private:
  std::string bytes_;
};

}  // namespace stkit::test
