// What lies beside a model and may be mistaken for a part of it.
#pragma once

#include "model/bundle.h"

namespace stkit {

// Adds findings on weight files that are not part of the model, on names that collide where case
// does not count, and on unfinished downloads. REQUIRES: bundle.weights is final.
void find_strays(const Folder& folder, Bundle& bundle);

}  // namespace stkit
