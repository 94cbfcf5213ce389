// Which output tensor each input tensor becomes, by the rows of an architecture.
#pragma once

#include <vector>

#include "gguf_export/architecture.h"
#include "gguf_export/export_plan.h"
#include "stkit/error.h"
#include "stkit/model.h"

namespace stkit::gguf_export {

// In the order of GGUF. Unsupported, naming it, on a tensor that no row is about; Corrupt when
// layers or members of a stack are missing, or two tensors become one.
Result<std::vector<ExportTensor>> plan_tensors(const Model& model, const Architecture& architecture,
                                               const HyperParameters& config);

}  // namespace stkit::gguf_export
