#include "base/byte_reader.h"

#include <fmt/format.h>

namespace stkit {

Result<void> ByteReader::status(std::string_view what) const {
  if (ok()) return {};
  return stkit::fail(ErrorCode::Corrupt,
                     fmt::format("{} ends too early: {} bytes wanted at byte {}, {} left", what,
                                 wanted_, position_, bytes_.size() - position_));
}

}  // namespace stkit
