// Aligned columns that fit the terminal; in a pipe nothing is cut.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "output.h"
#include "terminal.h"

namespace stkit::cli {

struct Column {
  std::string title;  // no row of titles when all are empty
  bool right = false;
  bool elastic = false;  // gives way when the table is too wide
  std::string (Paint::*style)(std::string_view) const = nullptr;
};

// `fill` sets the cells of a row, raw: what is not printable is escaped here. It is asked for each
// row twice, so that a table of a million rows needs no memory.
void write_table(Output& out, const Terminal& terminal, std::span<const Column> columns,
                 size_t rows, const std::function<void(size_t, std::vector<std::string>&)>& fill,
                 unsigned indent = 2);

// A label and what it is of, raw.
using Pair = std::pair<std::string, std::string>;
void write_pairs(Output& out, const Terminal& terminal, std::span<const Pair> pairs);

// What `part` is of `whole`, which may be nothing: "12.5 %".
std::string percent_text(uint64_t part, uint64_t whole, int decimals = 1);

// The line over a part of the output, with a blank one above it.
void write_heading(Output& out, const Terminal& terminal, std::string_view text);

}  // namespace stkit::cli
