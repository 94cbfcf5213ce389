// The pickle reader: whatever the bytes, every node refers to nodes and to bytes that are there,
// and memory stays in proportion to the input.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "formats/pickle_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace stkit;
  const Pickle pickle = Pickle::read(std::as_bytes(std::span(data, size)));
  STKIT_CHECK(pickle.size_bytes() <= size);
  STKIT_CHECK(pickle.status() || !pickle.status().error().message.empty());
  uint64_t sum = 0;
  for (PickleId id = 0; id < pickle.node_count(); ++id) {
    for (const PickleId child : pickle.children(id)) STKIT_CHECK(child < pickle.node_count());
    for (const char byte : pickle.text(id)) sum += static_cast<unsigned char>(byte);
    if (pickle.is(id, PickleKind::Global)) sum += pickle.global(id).full_name().size();
    if (pickle.is(id, PickleKind::Call)) {
      STKIT_CHECK(pickle.children(id).size() == 4);
      pickle.called(id);
    }
  }
  if (pickle.status()) {
    STKIT_CHECK(pickle.root() < pickle.node_count());
    pickle.find(pickle.root(), "state_dict");
  }
  return sum == UINT64_MAX ? 1 : 0;  // so that nothing of it is optimized away
}
