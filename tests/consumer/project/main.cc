// What the README shows of the library: the largest tensors of a model.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "stkit/inspect.h"
#include "stkit/model.h"

int main(int argc, char** argv) {
  auto model = stkit::Model::open(argc > 1 ? argv[1] : ".");
  if (!model) {
    std::fprintf(stderr, "%s\n", model.error().message.c_str());
    return stkit::info(model.error().code).exit_code;
  }
  auto report = stkit::inspect(*model);
  if (!report) return stkit::info(report.error().code).exit_code;
  std::printf("%s: %zu tensors\n", report->profile.architecture.c_str(), model->tensors().size());

  std::vector<stkit::TensorInfo> tensors(model->tensors().begin(), model->tensors().end());
  std::ranges::stable_sort(tensors, std::greater{}, &stkit::TensorInfo::size_bytes);
  if (tensors.size() > 3) tensors.resize(3);
  for (const auto& tensor : tensors) {
    std::printf("%8llu  %s\n", static_cast<unsigned long long>(tensor.size_bytes),
                std::string(tensor.name).c_str());
  }
}
