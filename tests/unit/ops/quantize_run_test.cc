#include <array>
#include <filesystem>
#include <limits>

#include "kernels/block_reference.h"
#include "kernels/convert.h"
#include "quantize_support.h"
#include "support/gguf_builder.h"

namespace stkit::test {
namespace {

// T36, T63
TEST(Quantize, SameBytesForAnyThreadsMemoryAndSharding) {
  const TempDir dir;
  ModelBuilder model = mixed_model();
  // More than one of the pieces that threads take, and of the tiles in them.
  model.tensor("big.weight", DType::BF16, {700, 4096}, bf16_bytes(weights(9, 700 * 4096)));
  for (const size_t shards : {1u, 3u, 7u}) {
    const auto folder = dir / std::to_string(shards) / "model";
    model.shards(shards).write(folder);
    for (const unsigned threads : {1u, 2u, 3u, 16u})
      for (const uint64_t memory : {0u, 1u, 20u << 20}) {
        const auto output = dir / (std::to_string(shards) + "-" + std::to_string(threads) + "-" +
                                   std::to_string(memory) + ".gguf");
        quantized(folder, output, {}, {.threads = threads, .max_memory_bytes = memory});
      }
  }
  const std::string first = read_file(dir / "1-1-0.gguf");
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    if (entry.path().extension() != ".gguf") continue;
    EXPECT_TRUE(read_file(entry.path()) == first) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 3u * 4 * 3);
}

TEST(Quantize, DryRunIsExactAndTheFileIsSound) {
  const TempDir dir;
  mixed_model().write(dir / "model");
  for (const std::string_view isq : isq_names()) {
    const QuantizeOptions options{.isq = std::string(isq), .overwrite = true};
    const QuantizePlan plan = planned(dir / "model", dir / "out.gguf", options);
    ASSERT_TRUE(quantize(plan, {})) << isq;
    EXPECT_EQ(std::filesystem::file_size(dir / "out.gguf"), plan.output_bytes()) << isq;
    const GgufFile file(dir / "out.gguf");
    ASSERT_EQ(file.header.tensors.size(), plan.tensors().size());
    for (const QuantizePlan::Tensor& tensor : plan.tensors()) {
      EXPECT_EQ(file.tensor(tensor.name).dtype, tensor.to);
      EXPECT_EQ(file.tensor(tensor.name).size_bytes, tensor.size_bytes);
    }
  }
}

TEST(Quantize, BlocksAreThoseOfTheReference) {
  const TempDir dir;
  const std::vector<float> x = weights(5, 24 * 512);
  std::string f16, f64;
  std::vector<float> from_f16(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const uint16_t half = kernels::to_f16(x[i]);
    f16.append(reinterpret_cast<const char*>(&half), 2);
    from_f16[i] = kernels::from_f16(half);
    const double wide = x[i];
    f64.append(reinterpret_cast<const char*>(&wide), 8);
  }
  std::vector<float> from_bf16(x.size());
  for (size_t i = 0; i < x.size(); ++i) from_bf16[i] = kernels::from_bf16(kernels::to_bf16(x[i]));
  const std::string f8 = ModelBuilder::data_of("f8", DType::F8_E4M3, {24, 512});
  std::vector<float> from_f8(x.size());
  kernels::to_float(DType::F8_E4M3, std::as_bytes(std::span(f8)), from_f8);

  ModelBuilder model;
  model.tensor("f32.weight", DType::F32, {24, 512}, f32_bytes(x));
  model.tensor("f16.weight", DType::F16, {24, 512}, f16);
  model.tensor("bf16.weight", DType::BF16, {24, 512}, bf16_bytes(x));
  model.tensor("f64.weight", DType::F64, {24, 512}, f64);
  model.tensor("f8.weight", DType::F8_E4M3, {24, 512}, f8);
  write_file(dir / "m.safetensors", model.file_bytes());
  const std::pair<const char*, const std::vector<float>*> rows[] = {{"f32.weight", &x},
                                                                    {"f16.weight", &from_f16},
                                                                    {"bf16.weight", &from_bf16},
                                                                    {"f64.weight", &x},
                                                                    {"f8.weight", &from_f8}};
  for (const std::string_view isq : isq_names()) {
    quantized(dir / "m.safetensors", dir / "out.gguf",
              {.isq = std::string(isq), .overwrite = true});
    const GgufFile file(dir / "out.gguf");
    for (const auto& [tensor, values] : rows) {
      const DType type = file.tensor(tensor).dtype;
      std::string expected(file.tensor(tensor).size_bytes, '\0');
      kernels::reference::encode_row(type, *values, {},
                                     std::as_writable_bytes(std::span(expected)));
      EXPECT_TRUE(file.data(tensor) == expected) << tensor << " as " << name(type);
    }
  }
}

TEST(Quantize, WhatIsNotQuantizedKeepsItsValues) {
  const TempDir dir;
  mixed_model()
      .tensor("flags", DType::BOOL, {5})
      .tensor("bytes", DType::U8, {2}, std::string("\x01\xFF", 2))
      .tensor("words", DType::U32, {1}, std::string("\xFF\xFF\xFF\xFF", 4))
      .write(dir / "model");
  quantized(dir / "model", dir / "out.gguf", {.keep = {"lm_head.weight"}});
  const GgufFile file(dir / "out.gguf");
  EXPECT_EQ(file.data("lm_head.weight"), ModelBuilder::data_of("lm_head", DType::F16, {40, 256}));
  EXPECT_EQ(file.data("position_ids"), ModelBuilder::data_of("position_ids", DType::I64, {1, 16}));
  EXPECT_EQ(file.data("flags"), ModelBuilder::data_of("flags", DType::BOOL, {5}));
  EXPECT_EQ(file.data("bytes"), std::string("\x01\0\xFF\0", 4));
  EXPECT_EQ(file.data("words"), std::string("\xFF\xFF\xFF\xFF\0\0\0\0", 8));
  std::vector<float> norm = weights(5, 512);
  for (float& value : norm) value = kernels::from_bf16(kernels::to_bf16(value));
  EXPECT_EQ(file.data("model.layers.1.norm.weight"), f32_bytes(norm));
}

TEST(Quantize, SafetensorsHoldTheSameBlocks) {
  const TempDir dir;
  // GGUF has no place for these: the name, the rank, the type, no elements at all.
  const std::string name(70, 'n');
  mixed_model().write(dir / "model");
  ModelBuilder more = mixed_model();
  more.tensor(name, DType::U64, {2}).tensor("rank.weight", DType::BF16, {2, 1, 2, 1, 256});
  more.tensor("none", DType::F32, {0});
  more.write(dir / "more" / "model");
  quantized(dir / "model", dir / "out.gguf");
  quantized(dir / "more" / "model", dir / "out.safetensors");
  const GgufFile gguf(dir / "out.gguf");
  const auto model = Model::open((dir / "out.safetensors").string());
  ASSERT_TRUE(model) << model.error().message;
  const std::string bytes = read_file(dir / "out.safetensors");
  for (const TensorInfo& tensor : gguf.header.tensors) {
    const TensorInfo* found = model->find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_TRUE(bytes.substr(found->offset_bytes, found->size_bytes) == gguf.data(tensor.name))
        << tensor.name;
  }
  EXPECT_EQ(model->find("model.layers.0.q_proj.weight")->dtype, DType::U8);
  EXPECT_EQ(model->find("model.layers.0.q_proj.weight")->shape[1], 2 * 144u);
  EXPECT_EQ(model->find(name)->dtype, DType::U64);
  EXPECT_EQ(model->find("none")->element_count, 0u);
  EXPECT_EQ(model->metadata().at("ggml.model.layers.0.q_proj.weight"),
            R"({"type":"Q4_K","shape":[48,512]})");
  EXPECT_EQ(model->metadata().at("ggml.rank.weight"), R"({"type":"Q4_K","shape":[2,1,2,1,256]})");
  EXPECT_FALSE(model->metadata().contains("ggml.position_ids"));
  EXPECT_EQ(quantize_error(dir / "out.safetensors", dir / "again.gguf").message,
            "the weights are quantized already (ggml)");
}

// T34
TEST(Quantize, NonFiniteWeightsAreNamedInOrder) {
  const TempDir dir;
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  // In the last of several pieces of the first tensor, and early in the second.
  std::vector<float> first = weights(1, 600 * 1024), second = weights(2, 4 * 256);
  first[599 * 1024 + 7] = -kInf;
  first[599 * 1024 + 8] = kNan;
  second[3] = kNan;
  ModelBuilder builder;
  builder.tensor("b.weight", DType::F32, {4, 256}, f32_bytes(second));
  builder.tensor("a.weight", DType::F32, {600, 1024}, f32_bytes(first));
  write_file(dir / "m.safetensors", builder.file_bytes());
  for (const unsigned threads : {1u, 2u, 5u}) {
    const Error error =
        quantize_error(dir / "m.safetensors", dir / "out.gguf", {}, {.threads = threads});
    EXPECT_EQ(error.code, ErrorCode::Corrupt);
    EXPECT_EQ(error.message, "tensor 'a.weight' holds -Inf at element 613,383 of 614,400");
    EXPECT_FALSE(std::filesystem::exists(dir / "out.gguf"));
  }

  const QuantizeReport zeroed =
      quantized(dir / "m.safetensors", dir / "zero.gguf", {.on_non_finite = NonFinite::Zero});
  ASSERT_EQ(zeroed.non_finite.size(), 2u);
  EXPECT_EQ(zeroed.non_finite[0].values, 2u);
  EXPECT_EQ(zeroed.non_finite[1].values, 1u);
  first[599 * 1024 + 7] = first[599 * 1024 + 8] = second[3] = 0;
  ModelBuilder clean;
  clean.tensor("b.weight", DType::F32, {4, 256}, f32_bytes(second));
  clean.tensor("a.weight", DType::F32, {600, 1024}, f32_bytes(first));
  write_file(dir / "clean.safetensors", clean.file_bytes());
  quantized(dir / "clean.safetensors", dir / "clean.gguf");
  const GgufFile zero_file(dir / "zero.gguf"), clean_file(dir / "clean.gguf");
  for (const char* tensor : {"a.weight", "b.weight"})
    EXPECT_TRUE(zero_file.data(tensor) == clean_file.data(tensor)) << tensor;

  const QuantizeReport kept =
      quantized(dir / "m.safetensors", dir / "kept.gguf", {.on_non_finite = NonFinite::Keep});
  EXPECT_EQ(kept.non_finite.size(), 2u);
}

// T34: also where nothing is quantized.
TEST(Quantize, NonFiniteValuesOfKeptTensorsAreFound) {
  const TempDir dir;
  ModelBuilder builder;
  builder.tensor("x.bias", DType::BF16, {4}, std::string("\0\0\x80\x7F\0\0\0\0", 8));
  write_file(dir / "m.safetensors", builder.file_bytes());
  for (const auto& keep : {std::vector<std::string>{}, std::vector<std::string>{"*"}})
    EXPECT_EQ(quantize_error(dir / "m.safetensors", dir / "o.gguf", {.keep = keep}).message,
              "tensor 'x.bias' holds Inf at element 1 of 4");
}

// T34
TEST(Quantize, ValuesBeyondTheRangeOfTheOutput) {
  const TempDir dir;
  std::vector<float> outlier = weights(1, 2 * 512);
  outlier[700] = 1e30f;
  const double large = 1e300;
  ModelBuilder builder;
  builder.tensor("a.weight", DType::F32, {2, 512}, f32_bytes(outlier));
  builder.tensor("n.bias", DType::F32, {1}, f32_bytes({1e30f}));
  write_file(dir / "m.safetensors", builder.file_bytes());
  ModelBuilder wide;
  wide.tensor("d.bias", DType::F64, {1}, std::string(reinterpret_cast<const char*>(&large), 8));
  write_file(dir / "wide.safetensors", wide.file_bytes());

  const struct {
    const char* model;
    QuantizeOptions options;
    const char* message;
  } cases[] = {
      {"m.safetensors", {}, "element 700 of 1,024, beyond the range of Q4_K"},
      {"m.safetensors", {.isq = "q8_0"}, "element 700 of 1,024, beyond the range of Q8_0"},
      {"m.safetensors", {.isq = "q6k"}, "element 700 of 1,024, beyond the range of Q6_K"},
      {"m.safetensors",
       {.tensor_types = {{"a.*", "f16"}}},
       "element 700 of 1,024, beyond the range of F16"},
      {"wide.safetensors", {}, "holds 1e+300 at element 0 of 1, beyond the range of F32"},
  };
  for (const auto& row : cases) {
    const Error error = quantize_error(dir / row.model, dir / "o.gguf", row.options);
    EXPECT_NE(error.message.find(row.message), std::string::npos) << error.message;
    EXPECT_FALSE(error.hint.empty());
  }
  quantized(dir / "m.safetensors", dir / "o.gguf", {.keep = {"a.*"}});
  EXPECT_EQ(GgufFile(dir / "o.gguf").data("a.weight"), f32_bytes(outlier));
}

// T34
TEST(Quantize, OddButFiniteValuesAreNoError) {
  const TempDir dir;
  const std::pair<const char*, float> kinds[] = {
      {"zero", 0.0f},        {"minus_zero", -0.0f}, {"constant", 0.03125f},
      {"subnormal", 1e-41f}, {"half_max", 65504},   {"beyond_half", 65520},
  };
  ModelBuilder builder;
  for (const auto& [kind, value] : kinds)
    builder.tensor(std::string(kind) + ".weight", DType::F32, {2, 512},
                   f32_bytes(std::vector<float>(1024, value)));
  write_file(dir / "m.safetensors", builder.file_bytes());
  for (const std::string_view isq : {"q4k", "q5k", "q6k", "q2k", "q3k", "q8_0", "q4_0"})
    quantized(dir / "m.safetensors", dir / "o.gguf", {.isq = std::string(isq), .overwrite = true});
}

// T37 has its comparison with numpy in tests/interop.
TEST(Quantize, ErrorsAreTheSameForAnyThreads) {
  const TempDir dir;
  ModelBuilder model = mixed_model();
  model.tensor("big.weight", DType::BF16, {700, 4096}, bf16_bytes(weights(9, 700 * 4096)));
  model.write(dir / "model");
  const auto errors = [&](unsigned threads) {
    return quantized(dir / "model", dir / "out.gguf", {.measure = true, .overwrite = true},
                     {.threads = threads});
  };
  const QuantizeReport one = errors(1);
  ASSERT_TRUE(one.total_error);
  EXPECT_NEAR(one.total_error->relative_rmse, 0.07, 0.02) << "what q4k costs normal weights";
  for (const unsigned threads : {2u, 7u}) {
    const QuantizeReport many = errors(threads);
    ASSERT_EQ(many.errors.size(), one.errors.size());
    for (size_t i = 0; i < one.errors.size(); ++i) {
      EXPECT_EQ(many.errors[i].rmse, one.errors[i].rmse);
      EXPECT_EQ(many.errors[i].cosine_similarity, one.errors[i].cosine_similarity);
      EXPECT_EQ(many.errors[i].max_abs_error, one.errors[i].max_abs_error);
    }
    EXPECT_EQ(many.total_error->sqnr_db, one.total_error->sqnr_db);
  }
}

TEST(Quantize, MinCosineKeepsTheOutputBack) {
  const TempDir dir;
  mixed_model().write(dir / "model");
  write_file(dir / "out.gguf", "the old one");
  const QuantizeReport bad = quantized(dir / "model", dir / "out.gguf",
                                       {.isq = "q2k", .min_cosine = 0.99, .overwrite = true});
  EXPECT_FALSE(bad.published);
  EXPECT_FALSE(bad.too_far.empty());
  EXPECT_EQ(read_file(dir / "out.gguf"), "the old one");
  EXPECT_TRUE(quantized(dir / "model", dir / "out.gguf",
                        {.isq = "q8_0", .min_cosine = 0.99, .overwrite = true})
                  .published);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 2)
      << "nothing else is left behind";
}

// T45
TEST(Quantize, AnInputThatChangesIsNoticed) {
  const TempDir dir;
  mixed_model().write(dir / "model");
  const QuantizePlan plan = planned(dir / "model", dir / "out.gguf");
  const auto input = dir / "model" / "model.safetensors";
  const std::string bytes = read_file(input);
  std::filesystem::remove(input);
  write_file(input, bytes);
  const auto report = quantize(plan, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::InputChanged);
  EXPECT_FALSE(std::filesystem::exists(dir / "out.gguf"));
}

// T43
TEST(Quantize, CancelledLeavesNothing) {
  const TempDir dir;
  mixed_model().write(dir / "model");
  CancelToken cancel;
  cancel.cancel();
  EXPECT_EQ(quantize_error(dir / "model", dir / "out.gguf", {}, {.cancel = &cancel}).code,
            ErrorCode::Interrupted);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

// --- GGUF files as input ------------------------------------------------------------------------

TEST(Quantize, GgufFilesKeepTheirMetadataAndOrder) {
  const TempDir dir;
  const std::vector<float> x = weights(1, 4 * 512);
  GgufBuilder builder;
  builder.text("general.architecture", "llama").u32("llama.block_count", 1);
  builder.strings("tokenizer.ggml.tokens", {"a", "b"}).u32("general.file_type", 0);
  builder.text("general.name", "Tiny");
  builder.tensor("output.weight", 0, {512, 4}, f32_bytes(x));
  builder.tensor("blk.0.ffn_gate_inp.weight", 0, {512, 4}, f32_bytes(x));
  builder.tensor("blk.0.attn_q.weight", 30, {512, 4}, bf16_bytes(x));
  builder.tensor("blk.0.attn_norm.weight", 0, {512}, f32_bytes(weights(2, 512)));
  write_file(dir / "f32.gguf", builder.bytes());
  quantized(dir / "f32.gguf", dir / "q6k.gguf", {.isq = "q6k"});
  const GgufFile file(dir / "q6k.gguf");
  std::vector<std::string> order;
  for (const TensorInfo& tensor : file.header.tensors) order.emplace_back(tensor.name);
  EXPECT_EQ(order, (std::vector<std::string>{"output.weight", "blk.0.ffn_gate_inp.weight",
                                             "blk.0.attn_q.weight", "blk.0.attn_norm.weight"}));
  EXPECT_EQ(file.tensor("output.weight").dtype, DType::Q6_K);
  EXPECT_EQ(file.tensor("blk.0.attn_q.weight").dtype, DType::Q6_K);
  EXPECT_EQ(file.tensor("blk.0.ffn_gate_inp.weight").dtype, DType::F32) << "llama.cpp wants it so";
  EXPECT_EQ(as_uint(file.header.find("general.file_type")), 18u);
  EXPECT_EQ(as_string(file.header.find("general.name")), "Tiny");
  EXPECT_EQ(as_array(file.header.find("tokenizer.ggml.tokens"), GgufType::String)->size(), 2u);

  const Error error = quantize_error(dir / "q6k.gguf", dir / "again.gguf", {.pure = true});
  EXPECT_EQ(error.message, "the weights are quantized already (q6_k)");
  quantized(dir / "q6k.gguf", dir / "again.gguf", {.allow_requantize = true});
  const GgufFile again(dir / "again.gguf");
  std::vector<float> decoded(x.size());
  const std::string blocks = file.data("output.weight");
  kernels::reference::decode_blocks(DType::Q6_K, std::as_bytes(std::span(blocks)), decoded);
  std::string expected(again.tensor("output.weight").size_bytes, '\0');
  for (size_t row = 0; row < 4; ++row)
    kernels::reference::encode_row(
        DType::Q4_K, std::span(decoded).subspan(row * 512, 512), {},
        std::as_writable_bytes(std::span(expected)).subspan(row * 288, 288));
  EXPECT_TRUE(again.data("output.weight") == expected);
}

// T30, T31: what lies behind the end of the file is refused before a byte of it could be read, so
// that nothing else of this process's memory can get into an output.
TEST(Quantize, NothingIsReadBehindTheEndOfAGgufFile) {
  const TempDir dir;
  const std::string canary(1 << 20, 'C');
  const struct {
    const char* name;
    GgufBuilder builder;
  } cases[] = {
      {"short", GgufBuilder().tensor("a.weight", 0, {512, 4}, std::string(512, 'x'))},
      {"behind", GgufBuilder().tensor("a.weight", 0, {512, 4}, 8192, 1 << 20)},
      {"huge", GgufBuilder().tensor("a.weight", 0, {512, uint64_t{1} << 40}, 8192)},
      {"wraps", GgufBuilder().tensor("a.weight", 0, {512, 4}, 8192, ~uint64_t{31})},
  };
  for (const auto& row : cases) {
    const auto input = dir / (std::string(row.name) + ".gguf");
    // The builder would fill whatever is asked for: only the header matters here.
    write_file(input, row.builder.header() + std::string(64, 'x'));
    const Error error = quantize_error(input, dir / "out.gguf");
    EXPECT_EQ(info(error.code).exit_code, 3) << row.name << ": " << error.message;
    EXPECT_FALSE(std::filesystem::exists(dir / "out.gguf")) << row.name;
  }
  for (const auto& entry : std::filesystem::directory_iterator(dir.path()))
    EXPECT_EQ(read_file(entry.path()).find(std::string_view(canary).substr(0, 32)),
              std::string::npos);
}

// --- importance ---------------------------------------------------------------------------------

std::string legacy_imatrix(const std::vector<std::pair<std::string, std::vector<float>>>& entries) {
  std::string bytes;
  const auto number = [&](int32_t value) {
    bytes.append(reinterpret_cast<const char*>(&value), 4);
  };
  number(static_cast<int32_t>(entries.size()));
  for (const auto& [name, values] : entries) {
    number(static_cast<int32_t>(name.size()));
    bytes += name;
    number(1);
    number(static_cast<int32_t>(values.size()));
    bytes += f32_bytes(values);
  }
  return bytes;
}

TEST(Quantize, ImportanceWeighsTheColumnsOfEachMatrix) {
  const TempDir dir;
  // Three matrices of eight rows: longer than a tile, so that tiles begin in the middle of rows.
  constexpr size_t kMatrices = 3, kRows = 8, kColumns = 2560;
  const std::vector<float> x = weights(1, kMatrices * kRows * kColumns);
  std::vector<float> importance(kMatrices * kColumns);
  SplitMix64 random(7);
  for (float& value : importance) value = static_cast<float>(0.25 + random.uniform());
  ModelBuilder builder;
  builder.tensor("experts.weight", DType::F32, {kMatrices, kRows, kColumns}, f32_bytes(x));
  builder.tensor("other.weight", DType::F32, {kRows, 256}, f32_bytes(weights(2, kRows * 256)));
  write_file(dir / "m.safetensors", builder.file_bytes());
  write_file(dir / "imatrix", legacy_imatrix({{"experts.weight", importance}}));

  for (const std::string_view isq : isq_names()) {
    if (isq == "q8_0" || isq == "mxfp4") continue;  // these do not look at importance
    quantized(dir / "m.safetensors", dir / "out.gguf",
              {.isq = std::string(isq), .imatrix = (dir / "imatrix").string(), .overwrite = true});
    const GgufFile file(dir / "out.gguf");
    const DType type = file.tensor("experts.weight").dtype;
    const size_t row_bytes = *storage_bytes(type, kColumns);
    std::string expected(kMatrices * kRows * row_bytes, '\0');
    for (size_t row = 0; row < kMatrices * kRows; ++row)
      kernels::reference::encode_row(
          type, std::span(x).subspan(row * kColumns, kColumns),
          std::span(importance).subspan(row / kRows * kColumns, kColumns),
          std::as_writable_bytes(std::span(expected)).subspan(row * row_bytes, row_bytes));
    EXPECT_TRUE(file.data("experts.weight") == expected) << isq;
    EXPECT_EQ(as_uint(file.header.find("quantize.imatrix.entries_count")), 1u);
  }
}

TEST(Quantize, ImportanceThatDoesNotFitIsRefused) {
  const TempDir dir;
  mixed_model().write(dir / "model");
  write_file(dir / "other", legacy_imatrix({{"blk.0.attn_q.weight", {1, 1}}}));
  Error error =
      quantize_error(dir / "model", dir / "o.gguf", {.imatrix = (dir / "other").string()});
  EXPECT_EQ(error.code, ErrorCode::Usage);
  EXPECT_NE(error.message.find("blk.0.attn_q.weight"), std::string::npos);
  write_file(dir / "short", legacy_imatrix({{"lm_head.weight", {1, 1}}}));
  error = quantize_error(dir / "model", dir / "o.gguf", {.imatrix = (dir / "short").string()});
  EXPECT_EQ(error.code, ErrorCode::Corrupt);
  EXPECT_EQ(error.path, (dir / "short").string());
}

}  // namespace
}  // namespace stkit::test
