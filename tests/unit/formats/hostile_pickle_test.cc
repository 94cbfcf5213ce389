// T22: what published attacks on torch.load and on pickle scanners look like. Nothing is ever run;
// what is tested here is that nothing goes unlisted either, whatever comes behind it.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "formats/pickle_reader.h"
#include "support/hostile_pickles.h"

namespace stkit {
namespace {

TEST(HostilePickle, EveryCallIsListedAsDangerous) {
  for (const test::HostilePickle& c : test::hostile_pickles()) {
    SCOPED_TRACE(c.name);
    const Pickle pickle = Pickle::read(std::as_bytes(std::span(c.bytes)));
    const auto found = std::ranges::find_if(pickle.globals(), [&](const PickleGlobal& global) {
      return global.full_name() == c.global;
    });
    ASSERT_NE(found, pickle.globals().end());
    EXPECT_EQ(name(found->verdict), "dangerous");
  }
}

TEST(HostilePickle, HonestFilesAreNotAccused) {
  const std::pair<const char*, const char*> allowed[] = {
      {"collections", "OrderedDict"},
      {"torch._utils", "_rebuild_tensor_v2"},
      {"torch", "BFloat16Storage"},
      {"torch", "float8_e4m3fn"},
      {"torch", "Size"},
      {"torch.storage", "UntypedStorage"},
      {"_codecs", "encode"},
      {"argparse", "Namespace"},
      {"numpy._core.multiarray", "scalar"},
      {"numpy", "dtype"},
      {"deepspeed.runtime.zero.config", "ZeroStageEnum"},
      {"torch.distributed.tensor", "DTensor"},
      {"torch.distributed.tensor.placement_types", "Shard"},
      {"pathlib", "PosixPath"},
  };
  for (const auto& [module, global] : allowed) {
    SCOPED_TRACE(std::string(module) + "." + global);
    EXPECT_EQ(judge_global(module, global), GlobalVerdict::Allowed);
  }
  const std::pair<const char*, const char*> unknown[] = {
      {"transformers.training_args", "TrainingArguments"},
      {"my_project.models", "Net"},
      {"lightning_fabric.utilities.data", "AttributeDict"},
      {"omegaconf.dictconfig", "DictConfig"},
      {"functools", "partial"},
  };
  for (const auto& [module, global] : unknown) {
    SCOPED_TRACE(std::string(module) + "." + global);
    EXPECT_EQ(judge_global(module, global), GlobalVerdict::Unknown);
  }
}

// CPython 3.11 writes members of enumerations so.
TEST(HostilePickle, GetattrOfAnEnumerationIsNoAttack) {
  const std::string bytes =
      "c__builtin__\ngetattr\ncdeepspeed.runtime.zero.config\nZeroStageEnum\n\x8C\x09gradients"
      "\x86R.";
  const Pickle pickle = Pickle::read(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(pickle.status().has_value());
  for (const PickleGlobal& global : pickle.globals())
    EXPECT_EQ(global.verdict, GlobalVerdict::Allowed) << global.full_name();
  EXPECT_EQ(pickle.global(pickle.root()).name, "ZeroStageEnum.gradients");
}

}  // namespace
}  // namespace stkit
