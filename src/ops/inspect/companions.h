// Which files a bundle of a given kind has beside its weights.
#pragma once

#include <string>
#include <vector>

#include "stkit/inspect.h"
#include "stkit/model.h"

namespace stkit {

// Those that are not there, sorted by importance. Where any of several files would do, the usual
// one is named. A lone weight file is no bundle and misses nothing.
std::vector<std::string> missing_companions(const Model& model, const Profile& profile);

}  // namespace stkit
