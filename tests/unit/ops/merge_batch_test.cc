// Every checkpoint of a run: which there are, what their outputs are called, what becomes of them.
#include <gtest/gtest.h>

#include <filesystem>

#include "stkit/batch.h"
#include "stkit/json.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;

class MergeBatch : public testing::Test {
 protected:
  MergeBatch() { fs::create_directories(run_); }

  void add(const std::string& name, size_t shards = 1) const {
    ModelBuilder model;
    for (const char* tensor : {"a", "b", "c"})
      model.tensor(name + "." + tensor, DType::BF16, {16, 16});
    fs::create_directories(run_ / name);
    model.shards(shards).config(R"({"model_type":"llama"})").write(run_ / name);
  }
  void cut_short(const std::string& name) const {
    fs::resize_file(run_ / name / "model.safetensors", 500);
  }
  std::string output_of(const std::string& name) const {
    return read_file(out_ / name / "model.safetensors");
  }
  Result<BatchPlan> plan(const BatchOptions& options = {}) const {
    return plan_batch(run_.string(), out_.string(), options);
  }
  BatchReport merge_all(const BatchOptions& options) const {
    const Result<BatchPlan> planned = plan(options);
    EXPECT_TRUE(planned) << planned.error().message;
    Result<BatchReport> report = merge_batch(*planned, {});
    EXPECT_TRUE(report) << report.error().message;
    return std::move(*report);
  }

  TempDir folder_;
  const fs::path run_ = folder_ / "qwen";
  const fs::path out_ = folder_ / "merged";
};

std::vector<std::string> names(const std::vector<Checkpoint>& checkpoints) {
  std::vector<std::string> texts;
  for (const Checkpoint& checkpoint : checkpoints)
    texts.push_back(checkpoint.name + " " + checkpoint.step);
  return texts;
}

using Texts = std::vector<std::string>;

TEST_F(MergeBatch, FindsFoldersThatHoldWeightsInNaturalOrder) {
  for (const char* name :
       {"checkpoint-1000", "checkpoint-500", "best", "global_step_100/actor", "iter_0000020",
        "epoch=1-step=1500.ckpt", "epoch_2_loss_0.25", "qwen3-lora-7"})
    add(name);
  add("checkpoint-500/inner");
  write_file(run_ / "model.safetensors", "the run's own folder is no checkpoint");
  write_file(run_ / "logs/events.txt", "no weights");
  const auto found = find_checkpoints(run_.string());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(names(*found),
            (Texts{"best ", "checkpoint-500 500", "checkpoint-1000 1000",
                   "epoch=1-step=1500.ckpt 1500", "epoch_2_loss_0.25 2",
                   "global_step_100/actor 100", "iter_0000020 0000020", "qwen3-lora-7 7"}));
  EXPECT_EQ(found->front().path, (run_ / "best").string());
}

// Where weights lie in a folder of their own, the checkpoint is what holds them and what belongs to
// them; the state of the optimizer is none.
TEST_F(MergeBatch, FindsWhatTrainingsSave) {
  const fs::path data = STKIT_TEST_DATA;
  const auto copy = [&](const char* from, const char* to) {
    fs::create_directories(run_ / to);
    fs::copy(data / from, run_ / to, fs::copy_options::recursive);
  };
  copy("distributed/dcp", "checkpoint-1/pytorch_model_fsdp_0");
  copy("distributed/dcp", "checkpoint-1/optimizer_0");
  copy("distributed/ranks", "global_step_2/actor");
  copy("distributed/ranks", "global_step_2/critic");
  copy("deepspeed/stage2", "checkpoint-3");
  copy("deepspeed/stage3/step1", "tags/global_step4");
  copy("deepspeed/stage3/step1", "tags/global_step5");
  copy("distributed/safetensors", "step-6");
  copy("torch/checkpoint.pt", "checkpoint-7");
  write_file(run_ / "tags/latest", "global_step5");
  const auto found = find_checkpoints(run_.string());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(names(*found), (Texts{"checkpoint-1 1", "checkpoint-3 3", "checkpoint-7 7",
                                  "global_step_2/actor 2", "global_step_2/critic 2", "step-6 6",
                                  "tags/global_step4 4", "tags/global_step5 5"}));
  const BatchReport report = merge_all({.name_template = "{name}"});
  EXPECT_EQ(report.count(BatchState::Done), found->size());
}

TEST_F(MergeBatch, ACheckpointWithoutWeightsIsFoundToFail) {
  add("checkpoint-1");
  write_file(run_ / "checkpoint-2/config.json", "{}");
  write_file(run_ / "evaluation/scores.json", "{}");
  const auto found = find_checkpoints(run_.string());
  ASSERT_TRUE(found);
  EXPECT_EQ(names(*found), (Texts{"checkpoint-1 1", "checkpoint-2 2"}));
  const BatchReport report = merge_all({.continue_on_error = true});
  EXPECT_EQ(report.outcomes[0].state, BatchState::Done);
  ASSERT_EQ(report.outcomes[1].state, BatchState::Failed);
  EXPECT_NE(report.outcomes[1].error->path.find("checkpoint-2"), std::string::npos);
}

TEST_F(MergeBatch, LinksHiddenFoldersAndTheOutputAreNotFollowed) {
  add("checkpoint-1");
  add(".cache/checkpoint-2");
  add("merged/checkpoint-3");
  fs::create_directory_symlink("checkpoint-1", run_ / "latest");
  fs::create_directory_symlink("..", run_ / "loop");
  const auto found = find_checkpoints(run_.string(), (run_ / "merged").string());
  ASSERT_TRUE(found);
  EXPECT_EQ(names(*found), (Texts{"checkpoint-1 1"}));
}

TEST_F(MergeBatch, NamesOutputsByTemplate) {
  add("checkpoint-7");
  add("final");
  add("global_step_100/actor");
  struct {
    std::string name_template;
    Texts expected;
  } const kCases[] = {
      {"{run}_step_{step}", {"qwen_step_7", "qwen_step_final", "qwen_step_100"}},
      {"{name}", {"checkpoint-7", "final", "global_step_100_actor"}},
      {"m-{step}.safetensors", {"m-7.safetensors", "m-final.safetensors", "m-100.safetensors"}},
  };
  for (const auto& row : kCases) {
    SCOPED_TRACE(row.name_template);
    const Result<BatchPlan> planned = plan({.name_template = row.name_template});
    ASSERT_TRUE(planned) << planned.error().message;
    Texts outputs;
    for (const BatchItem& item : planned->items)
      outputs.push_back(fs::path(item.output).lexically_relative(out_).string());
    EXPECT_EQ(outputs, row.expected);
  }
}

TEST_F(MergeBatch, RefusesWhatCannotBePlanned) {
  add("checkpoint-7/vae");
  add("checkpoint-7/unet");
  const struct {
    BatchOptions options;
    fs::path output;
    ErrorCode code;
    std::string part;
  } kCases[] = {
      {{}, out_, ErrorCode::Usage, "'checkpoint-7/unet' and 'checkpoint-7/vae' would both"},
      {{.name_template = "{nmae}"}, out_, ErrorCode::Usage, "asks for '{nmae}'"},
      {{.name_template = "{step"}, out_, ErrorCode::Usage, "brace without its other half"},
      {{.name_template = "step}"}, out_, ErrorCode::Usage, "brace without its other half"},
      {{.name_template = "{run}/{name}"}, out_, ErrorCode::Usage, "cannot name an output"},
      {{.name_template = ".."}, out_, ErrorCode::Usage, "cannot name an output"},
      {{.name_template = ""}, out_, ErrorCode::Usage, "cannot name an output"},
      {{.filter = "checkpoint-8*"}, out_, ErrorCode::NotFound, "none of its 2 checkpoints"},
      {{.task_index = 2, .task_count = 2}, out_, ErrorCode::Usage, "task 2 of 2"},
      {{.task_count = 0}, out_, ErrorCode::Usage, "task 0 of 0"},
      {{}, run_, ErrorCode::OutputConflict, "folder of the run itself"},
      {{.name_template = "{name}"},
       run_ / "checkpoint-7/vae/out",
       ErrorCode::OutputConflict,
       "lies inside the input"},
  };
  for (const auto& row : kCases) {
    SCOPED_TRACE(row.part);
    const auto planned = plan_batch(run_.string(), row.output.string(), row.options);
    ASSERT_FALSE(planned);
    EXPECT_EQ(planned.error().code, row.code);
    EXPECT_NE(planned.error().message.find(row.part), std::string::npos) << planned.error().message;
  }
  EXPECT_EQ(plan_batch((folder_ / "nowhere").string(), out_.string(), {}).error().code,
            ErrorCode::NotFound);
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(MergeBatch, TasksShareTheCheckpoints) {
  for (int step = 0; step < 7; ++step) add("checkpoint-" + std::to_string(step));
  Texts all;
  for (uint64_t task = 0; task < 3; ++task) {
    const Result<BatchPlan> planned = plan({.task_index = task, .task_count = 3});
    ASSERT_TRUE(planned);
    EXPECT_EQ(planned->found, 7u);
    for (const BatchItem& item : planned->items) all.push_back(item.checkpoint.step);
  }
  EXPECT_EQ(all, (Texts{"0", "3", "6", "1", "4", "2", "5"}));
  const Result<BatchPlan> idle = plan({.task_index = 8, .task_count = 9});
  ASSERT_TRUE(idle);
  EXPECT_TRUE(idle->items.empty());
}

TEST_F(MergeBatch, GoesOnBehindABrokenCheckpointAndTriesOnlyThatAgain) {
  for (int step = 1; step <= 20; ++step)
    add("checkpoint-" + std::to_string(step), step % 2 == 0 ? 3 : 1);
  const std::string whole = read_file(run_ / "checkpoint-13/model.safetensors");
  cut_short("checkpoint-13");
  BatchOptions options;
  options.continue_on_error = true;
  options.skip_existing = true;

  BatchReport report = merge_all(options);
  EXPECT_EQ(report.count(BatchState::Done), 19u);
  ASSERT_EQ(report.count(BatchState::Failed), 1u);
  ASSERT_EQ(report.outcomes[12].state, BatchState::Failed);
  EXPECT_EQ(report.outcomes[12].error->code, ErrorCode::Corrupt);
  EXPECT_FALSE(fs::exists(out_ / "qwen_step_13"));

  report = merge_all(options);
  EXPECT_EQ(report.count(BatchState::Skipped), 19u);
  EXPECT_EQ(report.count(BatchState::Failed), 1u);

  write_file(run_ / "checkpoint-13/model.safetensors", whole);
  report = merge_all(options);
  EXPECT_EQ(report.count(BatchState::Skipped), 19u);
  EXPECT_EQ(report.outcomes[12].state, BatchState::Done);
}

TEST_F(MergeBatch, WithoutContinueABrokenCheckpointShowsBeforeAnythingIsWritten) {
  for (const char* name : {"checkpoint-1", "checkpoint-2", "checkpoint-3"}) add(name);
  cut_short("checkpoint-2");
  const BatchReport report = merge_all({});
  EXPECT_EQ(report.outcomes[0].state, BatchState::NotRun);
  EXPECT_EQ(report.outcomes[1].state, BatchState::Failed);
  EXPECT_EQ(report.outcomes[2].state, BatchState::NotRun);
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(MergeBatch, ADryRunLooksAtAllAndWritesNothing) {
  for (const char* name : {"checkpoint-1", "checkpoint-2", "checkpoint-3"}) add(name);
  cut_short("checkpoint-2");
  const BatchReport report = merge_all({.dry_run = true});
  EXPECT_EQ(report.count(BatchState::Planned), 2u);
  EXPECT_EQ(report.count(BatchState::Failed), 1u);
  EXPECT_FALSE(fs::exists(out_));
}

// What a run that was killed over an output leaves: companions, or shards without their index.
TEST_F(MergeBatch, SkippedIsOnlyWhatIsWhole) {
  for (const char* name : {"checkpoint-1", "checkpoint-2", "checkpoint-3"}) add(name);
  BatchOptions options;
  options.skip_existing = true;
  options.merge.max_shard_bytes = 600;
  ASSERT_EQ(merge_all(options).count(BatchState::Done), 3u);
  const auto file_of = [&](int step, const char* name) {
    return out_ / ("qwen_step_" + std::to_string(step)) / name;
  };
  fs::remove(file_of(1, "model.safetensors.index.json"));
  fs::remove(file_of(2, "model.safetensors.index.json"));
  fs::remove(file_of(2, "model-00003-of-00003.safetensors"));
  const BatchReport report = merge_all(options);
  EXPECT_EQ(report.outcomes[0].state, BatchState::Done);
  EXPECT_EQ(report.outcomes[1].state, BatchState::Done);
  EXPECT_EQ(report.outcomes[2].state, BatchState::Skipped);
  EXPECT_TRUE(fs::exists(file_of(1, "model.safetensors.index.json")));
  EXPECT_TRUE(fs::exists(file_of(2, "model-00003-of-00003.safetensors")));
}

TEST_F(MergeBatch, AnOutputThatIsThereIsNotReplacedUnasked) {
  add("checkpoint-1");
  ASSERT_EQ(merge_all({}).count(BatchState::Done), 1u);
  const BatchReport report = merge_all({});
  ASSERT_EQ(report.outcomes[0].state, BatchState::Failed);
  EXPECT_EQ(report.outcomes[0].error->code, ErrorCode::OutputExists);
  EXPECT_NE(report.outcomes[0].error->hint.find("--skip-existing"), std::string::npos);
  BatchOptions options;
  options.merge.overwrite = true;
  EXPECT_EQ(merge_all(options).count(BatchState::Done), 1u);
}

class Cancelled : public CancelToken {
 public:
  Cancelled() { cancel(); }
};

TEST_F(MergeBatch, AStopEndsItEvenWhenItShouldGoOn) {  // T43
  for (const char* name : {"checkpoint-1", "checkpoint-2"}) add(name);
  const Cancelled cancelled;
  const Result<BatchPlan> planned = plan({.continue_on_error = true});
  ASSERT_TRUE(planned);
  const Result<BatchReport> report = merge_batch(*planned, {.cancel = &cancelled});
  ASSERT_TRUE(report);
  ASSERT_TRUE(report->outcomes[0].error);
  EXPECT_EQ(report->outcomes[0].error->code, ErrorCode::Interrupted);
  EXPECT_EQ(report->outcomes[1].state, BatchState::NotRun);
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(MergeBatch, TheDocumentHasAnElementAnItem) {
  add("checkpoint-1");
  add("checkpoint-2");
  cut_short("checkpoint-2");
  const Result<BatchPlan> planned = plan({.continue_on_error = true});
  ASSERT_TRUE(planned);
  Texts seen;
  const Result<BatchReport> report = merge_batch(*planned, {}, [&](const BatchOutcome& outcome) {
    seen.push_back(outcome.item.checkpoint.name + " " + std::string(name(outcome.state)));
  });
  ASSERT_TRUE(report);
  EXPECT_EQ(seen, (Texts{"checkpoint-2 failed", "checkpoint-1 done"}));
  std::string text;
  JsonWriter json(text);
  write_json(json, *planned, *report);
  for (const std::string part :
       {R"("found":2)", R"("done":1)", R"("failed":1)", R"("not_run":0)",
        R"("name":"checkpoint-1","step":"1")", R"("state":"done")",
        R"("state":"failed","output_bytes":0)", R"("error":{"code":"corrupt","exit":3)"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
}

}  // namespace
}  // namespace stkit::test
