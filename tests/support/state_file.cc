#include "support/state_file.h"

#include <utility>

#include "support/pickle_values.h"
#include "support/temp_dir.h"

namespace stkit::test {

std::string StateFile::floats(const std::vector<float>& values, std::vector<int64_t> shape) {
  const auto count = static_cast<int64_t>(values.size());
  if (shape.empty()) shape = {count};
  return view("Float", packed(values), count, shape);
}

std::string StateFile::halves(const std::vector<uint16_t>& values,
                              const std::vector<int64_t>& shape) {
  return view("BFloat16", packed(values), static_cast<int64_t>(values.size()), shape);
}

std::string StateFile::longs(const std::vector<int64_t>& values) {
  const auto count = static_cast<int64_t>(values.size());
  return view("Long", packed(values), count, {count});
}

std::string StateFile::view(std::string_view type, std::string bytes, int64_t count,
                            const std::vector<int64_t>& shape) {
  const std::string key = std::to_string(number_++);
  builder_.storage(key, std::move(bytes));
  std::vector<int64_t> strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0; step *= shape[i]) strides[i] = step;
  return pickled(PickleBuilder(0).tensor(type, key, count, 0, shape, strides));
}

std::string StateFile::bytes(const std::string& object) {
  return builder_.object("\x80\x02" + object + ".").zip();
}

void StateFile::write(const std::filesystem::path& path, const std::string& object) {
  write_file(path, bytes(object));
}

}  // namespace stkit::test
