#include "kernels/simd_info.h"
#include "stkit/version.h"
#include "version_config.h"

#ifndef STKIT_BUILD_TYPE
#define STKIT_BUILD_TYPE "unknown"
#endif

namespace stkit {

BuildInfo build_info() {
  return {STKIT_VERSION,
          STKIT_COMMIT,
          STKIT_COMPILER,
          STKIT_BUILD_TYPE,
          kernels::compiled_simd_targets(),
          kernels::used_simd_target(),
          {STKIT_LIBRARIES}};
}

std::string_view version() { return STKIT_VERSION; }

}  // namespace stkit
