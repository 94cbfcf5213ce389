// Findings as they are reported: in a fixed order, and not ten thousand of one kind.
#pragma once

#include <vector>

#include "stkit/validate.h"

namespace stkit {

inline constexpr size_t kMaxListed = 20;  // of one kind in one file

// Sorts by path, then the heavier first, then id, then tensor. Beyond kMaxListed of one kind in
// one file the rest is one more finding that tells their number; report.count() counts them all.
void take_findings(std::vector<Finding> findings, ValidateReport& report);

}  // namespace stkit
