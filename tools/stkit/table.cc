#include "table.h"

#include <fmt/format.h>

#include <algorithm>

#include "stkit/text.h"

namespace stkit::cli {
namespace {

constexpr size_t kGap = 2, kNarrowestElastic = 8;

// Cells are escaped before they are measured: an escape is wider than what it stands for.
std::vector<size_t> measure(std::span<const Column> columns, size_t rows,
                            const std::function<void(size_t, std::vector<std::string>&)>& fill) {
  std::vector<size_t> widths;
  for (const Column& column : columns) widths.push_back(display_width(column.title));
  std::vector<std::string> cells(columns.size());
  for (size_t row = 0; row < rows; ++row) {
    fill(row, cells);
    for (size_t i = 0; i < cells.size(); ++i)
      widths[i] = std::max(widths[i], display_width(printable(cells[i])));
  }
  return widths;
}

// Takes from the widest of the columns that give way, until the table fits or none can.
void fit(std::vector<size_t>& widths, std::span<const Column> columns, size_t room) {
  size_t total = kGap * (widths.size() - 1);
  for (const size_t width : widths) total += width;
  for (; room > 0 && total > room; --total) {
    size_t widest = columns.size();
    for (size_t i = 0; i < columns.size(); ++i)
      if (columns[i].elastic && widths[i] > kNarrowestElastic &&
          (widest == columns.size() || widths[i] > widths[widest]))
        widest = i;
    if (widest == columns.size()) return;
    --widths[widest];
  }
}

std::string format_row(std::span<const Column> columns, std::span<const size_t> widths,
                       const std::vector<std::string>& cells, const Paint& paint, bool title,
                       unsigned indent) {
  std::string line(indent, ' ');
  size_t owed = 0;  // blanks are written in front of text only, so no line ends with one
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string cell = printable(cells[i], widths[i]);
    const size_t width = display_width(cell);
    const size_t blanks = widths[i] > width ? widths[i] - width : 0;
    if (columns[i].right) owed += blanks;
    if (!cell.empty()) {
      line.append(owed, ' ');
      owed = 0;
      if (title)
        line += paint.dim(cell);
      else
        line += columns[i].style == nullptr ? cell : (paint.*columns[i].style)(cell);
    }
    if (!columns[i].right || cell.empty()) owed += columns[i].right ? 0 : blanks;
    owed += kGap;
  }
  return line + '\n';
}

}  // namespace

void write_table(Output& out, const Terminal& terminal, std::span<const Column> columns,
                 size_t rows, const std::function<void(size_t, std::vector<std::string>&)>& fill,
                 unsigned indent) {
  const Paint paint(terminal.color);
  std::vector<size_t> widths = measure(columns, rows, fill);
  fit(widths, columns, terminal.columns > indent ? terminal.columns - indent : 0);
  std::vector<std::string> cells;
  for (const Column& column : columns) cells.push_back(column.title);
  if (std::ranges::any_of(cells, [](const std::string& title) { return !title.empty(); }))
    out.write(format_row(columns, widths, cells, paint, true, indent));
  for (size_t row = 0; row < rows && !out.closed(); ++row) {
    fill(row, cells);
    out.write(format_row(columns, widths, cells, paint, false, indent));
  }
}

void write_pairs(Output& out, const Terminal& terminal, std::span<const Pair> pairs) {
  const Column columns[] = {{"", false, false, &Paint::dim}, {"", false, true}};
  write_table(out, terminal, columns, pairs.size(), [&](size_t i, std::vector<std::string>& cells) {
    cells = {pairs[i].first, pairs[i].second};
  });
}

std::string percent_text(uint64_t part, uint64_t whole, int decimals) {
  const double share =
      static_cast<double>(part) / static_cast<double>(std::max<uint64_t>(1, whole));
  return fmt::format("{:.{}f} %", 100 * share, decimals);
}

void write_heading(Output& out, const Terminal& terminal, std::string_view text) {
  out.write("\n" + Paint(terminal.color).bold(text) + "\n");
}

}  // namespace stkit::cli
