#include <fmt/format.h>

#include "render_inspect.h"
#include "stkit/text.h"

namespace stkit::cli {
namespace {

std::string describe(const TensorDiff& diff, const Paint& paint) {
  const std::string tensor = printable(diff.tensor);
  switch (diff.kind) {
    case DiffKind::OnlyLeft: return paint.red("-") + " " + tensor + "  " + diff.left;
    case DiffKind::OnlyRight: return paint.green("+") + " " + tensor + "  " + diff.right;
    case DiffKind::DType:
    case DiffKind::Dimensions:
      return fmt::format("{} {}  {} -> {}", paint.yellow("~"), tensor, diff.left, diff.right);
    case DiffKind::Data: break;
  }
  return fmt::format("{} {}  {}, by at most {} (mean {})", paint.yellow("~"), tensor,
                     counted(diff.differing_values, "value differs", "values differ"),
                     value_text(diff.max_abs_difference), value_text(diff.mean_abs_difference));
}

}  // namespace

void render_diff(Output& out, const Terminal& terminal, std::string_view left,
                 std::string_view right, const DiffReport& report) {
  const Paint paint(terminal.color);
  if (!report.same())
    out.write(fmt::format("{} {}\n{} {}\n", paint.red("---"), printable(left), paint.green("+++"),
                          printable(right)));
  for (const TensorDiff& diff : report.differences) {
    if (out.closed()) return;
    out.write(describe(diff, paint) + "\n");
  }
  for (const std::string& change : report.metadata)
    out.write(fmt::format("metadata {}\n", printable(change)));
  out.write(fmt::format(
      "{}: {} of {} equal{}\n", report.same() ? paint.green("same") : paint.red("different"),
      format_grouped(report.equal), counted(report.compared, "tensor"),
      report.data_compared ? " in type, shape and every value" : " in type and shape"));
}

}  // namespace stkit::cli
