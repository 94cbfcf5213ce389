#include "io/output_conflict.h"

#include "io_test.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TempDir;
using test::write_file;

// T46
TEST(OutputConflict, NoOutputMayHarmAnInput) {
  TempDir dir;
  write_file(dir / "model/a.safetensors", "a");
  write_file(dir / "b.safetensors", "b");
  write_file(dir / "other.safetensors", "c");
  fs::create_hard_link(dir / "b.safetensors", dir / "hard.safetensors");
  fs::create_symlink("b.safetensors", dir / "soft.safetensors");
  fs::create_directory_symlink("model", dir / "alias");
  const fs::path inputs[] = {dir / "model", dir / "b.safetensors", dir / "missing"};

  const struct {
    std::string_view output;
    std::string_view message;
  } kConflicts[] = {
      {"b.safetensors", "is the input itself"},
      {"model/../b.safetensors", "is the input itself"},
      {"soft.safetensors", "is the input itself"},
      {"hard.safetensors", "is the same file as the input"},
      {"model", "is the input itself"},
      {"model/", "is the input itself"},
      {"alias", "is the input itself"},
      {"model/a.safetensors", "lies inside the input"},
      {"model/new.safetensors", "lies inside the input"},
      {"alias/new.safetensors", "lies inside the input"},
      {"model/deep/new.safetensors", "lies inside the input"},
  };
  for (const auto& row : kConflicts) {
    SCOPED_TRACE(row.output);
    expect_error(check_output_is_not_input(dir / row.output, inputs), ErrorCode::OutputConflict,
                 row.message);
  }
  for (const std::string_view output :
       {"new.safetensors", "other.safetensors", "model-2/new.safetensors", "modelx", "deep/er/new"})
    EXPECT_TRUE(check_output_is_not_input(dir / output, inputs)) << output;
}

TEST(OutputConflict, RelativeNamesAreUnderstood) {
  const fs::path here[] = {"."};
  expect_error(check_output_is_not_input("new.safetensors", here), ErrorCode::OutputConflict,
               "lies inside");
  expect_error(check_output_is_not_input("./", here), ErrorCode::OutputConflict, "itself");
  EXPECT_TRUE(check_output_is_not_input("../new.safetensors", here));
}

}  // namespace
}  // namespace stkit
