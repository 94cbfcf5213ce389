// How fast the quantizers are: ours on every SIMD target of this CPU, and ggml's own functions.
//
//   bench_encode [LIBGGML_BASE_SO [ROUNDS]]      ROUNDS: 7
//
// Every round runs everything once, so that noise of a shared machine hits all alike. Times are CPU
// times of one thread, medians, in millions of weights a second; `x` is ours against ggml. Without
// a library to load, ggml is named as missing.
#include <dlfcn.h>
#include <fmt/format.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "kernels/convert.h"
#include "kernels/decode.h"
#include "kernels/encode.h"
#include "kernels/error_sums.h"
#include "unit/kernels/quant_inputs.h"
#include "unit/kernels/simd_targets.h"

namespace {

using namespace stkit;

constexpr size_t kRows = 64, kColumns = 4096;

// size_t quantize_q4_K(src, dst, rows, columns, importance)
using GgmlQuantize = size_t (*)(const float*, void*, int64_t, int64_t, const float*);

struct Type {
  DType dtype;
  const char* ggml_function;
};
constexpr Type kTypes[] = {
    {DType::Q2_K, "quantize_q2_K"},     {DType::Q3_K, "quantize_q3_K"},
    {DType::Q4_K, "quantize_q4_K"},     {DType::Q5_K, "quantize_q5_K"},
    {DType::Q6_K, "quantize_q6_K"},     {DType::Q8_0, "quantize_q8_0"},
    {DType::Q4_0, "quantize_q4_0"},     {DType::Q4_1, "quantize_q4_1"},
    {DType::Q5_0, "quantize_q5_0"},     {DType::Q5_1, "quantize_q5_1"},
    {DType::IQ4_NL, "quantize_iq4_nl"}, {DType::IQ4_XS, "quantize_iq4_xs"},
    {DType::MXFP4, "quantize_mxfp4"},
};

double thread_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Seconds of one call, of as many as take a while.
double measure(const std::function<void()>& work) {
  constexpr double kLongEnough = 0.02;
  size_t calls = 0;
  const double start = thread_seconds();
  double now = start;
  do {
    work();
    ++calls;
    now = thread_seconds();
  } while (now - start < kLongEnough);
  return (now - start) / static_cast<double>(calls);
}

struct Contender {
  std::string name;
  std::function<void()> work;
  std::vector<double> seconds = {};

  double rate() const {  // millions of weights a second, of the median
    std::vector<double> sorted = seconds;
    std::ranges::sort(sorted);
    return 1e-6 * kRows * kColumns / sorted[sorted.size() / 2];
  }
};

void run_type(const Type& type, void* ggml, const std::vector<float>& x,
              const std::vector<float>& importance, size_t rounds) {
  std::vector<std::byte> blocks(*storage_bytes(type.dtype, x.size())), theirs(blocks.size());
  std::vector<float> decoded(x.size());
  std::vector<Contender> contenders;
  if (ggml != nullptr) {
    if (void* symbol = dlsym(ggml, type.ggml_function)) {
      GgmlQuantize quantize;
      std::memcpy(&quantize, &symbol, sizeof(quantize));
      contenders.push_back({"ggml", [&, quantize] {
                              quantize(x.data(), theirs.data(), kRows, kColumns,
                                       importance.empty() ? nullptr : importance.data());
                            }});
    }
  }
  for (const int64_t target : test::simd_targets())
    contenders.push_back({hwy::TargetName(target), [&, target] {
                            const test::UseTarget use(target);
                            kernels::encode_rows(type.dtype, x, kColumns, importance, blocks);
                          }});
  if (importance.empty()) {
    contenders.push_back({"decode", [&] { kernels::decode_blocks(type.dtype, blocks, decoded); }});
    contenders.push_back({"errors", [&] {
                            kernels::ErrorSums sums;
                            kernels::add_errors(x, decoded, sums);
                          }});
  }
  for (size_t round = 0; round < rounds; ++round)
    for (Contender& contender : contenders) contender.seconds.push_back(measure(contender.work));

  std::string line =
      fmt::format("{:7}{:9}", name(type.dtype), importance.empty() ? "" : "weighted");
  const bool has_ggml = contenders.front().name == "ggml";
  for (const Contender& contender : contenders) {
    line += fmt::format("  {} {:.1f}", contender.name, contender.rate());
    if (has_ggml && contender.name != "ggml")
      line += fmt::format(" (x{:.1f})", contender.rate() / contenders.front().rate());
  }
  if (has_ggml) line += theirs == blocks ? "  same bytes" : "  OTHER BYTES";
  fmt::print("{}\n", line);
}

}  // namespace

int main(int argc, char** argv) {
  void* ggml = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (ggml == nullptr) fmt::print("ggml: not there ({})\n", argc > 1 ? dlerror() : "no library");
  const size_t rounds = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 7;
  test::SplitMix64 random(1);
  std::vector<float> x(kRows * kColumns), importance(kColumns);
  for (float& value : x) value = static_cast<float>(random.gaussian() * 0.02);
  for (float& value : importance) value = static_cast<float>(0.5 + random.uniform());
  for (const Type& type : kTypes) run_type(type, ggml, x, {}, rounds);
  for (const Type& type : kTypes)
    if (type.dtype != DType::Q8_0 && type.dtype != DType::MXFP4)
      run_type(type, ggml, x, importance, rounds);
}
