// What `quantize` shows of its plan and its work.
#pragma once

#include "output.h"
#include "stkit/quantize.h"
#include "terminal.h"

namespace stkit::cli {

// `report` is null when nothing was done.
void render_quantize(Output& out, const Terminal& terminal, const QuantizePlan& plan,
                     const QuantizeReport* report, bool list_tensors);

}  // namespace stkit::cli
