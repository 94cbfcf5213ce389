// Progress with a clock of the test's own: what is painted, and when.
#include "progress_tracker.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "console.h"

namespace stkit::cli {
namespace {

using namespace std::chrono_literals;

struct Painted {
  std::string what;  // "paint", "step", "finish ok", "finish failed"
  ProgressView view;
};

// Notes what it is told to paint.
class NotingStyle final : public ProgressStyle {
 public:
  explicit NotingStyle(std::vector<Painted>& notes) : notes_(notes) {}
  Timing timing() const override { return {500ms, 100ms, 2s}; }
  void paint(const ProgressView& view) override { notes_.push_back({"paint", view}); }
  void step_done(const ProgressView& view, bool, bool painted) override {
    notes_.push_back({painted ? "step painted" : "step", view});
  }
  void tell(std::string_view event, const EventFields&) override {
    notes_.push_back({"tell " + std::string(event), {}});
  }
  void idle() override { notes_.push_back({"idle", {}}); }
  void finish(const ProgressView& view, int exit_code, const EventFields&) override {
    notes_.push_back({exit_code == 0 ? "finish ok" : "finish failed", view});
  }

 private:
  std::vector<Painted>& notes_;
};

class ProgressTrackerTest : public testing::Test {
 protected:
  void pass(std::chrono::milliseconds time) {
    now_ += time;
    tracker_.tick();
  }
  size_t paints() const {
    return static_cast<size_t>(std::ranges::count(notes_, "paint", &Painted::what));
  }

  std::vector<Painted> notes_;
  TimePoint now_{1h};
  ProgressTracker tracker_{std::make_unique<NotingStyle>(notes_), [this] { return now_; }};
  const std::vector<ProgressItem> items_ = {{"a", 300, 0, ItemState::Queued},
                                            {"b", 700, 100, ItemState::Queued}};
};

TEST_F(ProgressTrackerTest, ShortWorkIsNotPainted) {
  tracker_.begin("reading", items_);
  pass(400ms);
  tracker_.end(true);
  EXPECT_EQ(paints(), 0u);
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_EQ(notes_[0].what, "step");
}

TEST_F(ProgressTrackerTest, PaintsWhenSomethingChangedButNotOftenerThanItsInterval) {
  tracker_.begin("reading", items_);
  pass(500ms);
  EXPECT_EQ(paints(), 1u);
  tracker_.advance(0, 10);
  pass(50ms);
  EXPECT_EQ(paints(), 1u);
  pass(50ms);
  EXPECT_EQ(paints(), 2u);
  pass(500ms);
  EXPECT_EQ(paints(), 2u) << "nothing changed";
  pass(1500ms);
  EXPECT_EQ(paints(), 3u) << "the heartbeat";
}

TEST_F(ProgressTrackerTest, TheIntervalHoldsAcrossSteps) {
  tracker_.begin("reading", items_);
  pass(500ms);
  tracker_.end(true);
  tracker_.begin("hashing", items_);
  pass(90ms);
  EXPECT_EQ(paints(), 1u);
}

TEST_F(ProgressTrackerTest, PercentsAreWholeRoundedDownAndWeightedByBytes) {
  tracker_.begin("reading", items_);
  tracker_.advance(1, 599);
  pass(500ms);
  const ProgressView& view = notes_.back().view;
  EXPECT_EQ(view.done_bytes, 699u);
  EXPECT_EQ(view.total_bytes, 1000u);
  EXPECT_EQ(view.percent, 69u);
  EXPECT_NEAR(view.bytes_per_second, 599 / 0.5, 1e-6) << "bytes that were there are no speed";
  EXPECT_NEAR(view.eta_seconds, 301 / (599 / 0.5), 1e-6);
}

TEST_F(ProgressTrackerTest, AnItemOfUnknownSizeCountsOnceItIsDone) {
  const ProgressItem items[] = {{"known", 1000, 0, ItemState::Queued},
                                {"unknown", 0, 0, ItemState::Queued}};
  tracker_.begin("downloading", items);
  pass(500ms);
  EXPECT_EQ(notes_.back().view.percent, 0u);
  tracker_.advance(0, 500);
  tracker_.set_state(1, ItemState::Active);
  tracker_.advance(1, 4000);
  pass(100ms);
  EXPECT_EQ(notes_.back().view.percent, 49u) << "of what is known";
  EXPECT_EQ(notes_.back().view.done_bytes, 4500u);
  EXPECT_LT(notes_.back().view.eta_seconds, 0) << "nobody knows";
  tracker_.advance(0, 500);
  pass(100ms);
  EXPECT_EQ(notes_.back().view.percent, 99u) << "not done before all is done";
  tracker_.set_state(1, ItemState::Done);
  pass(100ms);
  EXPECT_EQ(notes_.back().view.percent, 100u);
}

TEST_F(ProgressTrackerTest, NothingKnownIsNothingDone) {
  const ProgressItem items[] = {{"empty", 0, 0, ItemState::Queued},
                                {"unknown", 0, 0, ItemState::Queued}};
  tracker_.begin("downloading", items);
  pass(500ms);
  EXPECT_EQ(notes_.back().view.percent, 0u);
  tracker_.set_state(0, ItemState::Done);
  pass(100ms);
  EXPECT_EQ(notes_.back().view.percent, 0u);
  tracker_.set_state(1, ItemState::Cached);
  pass(100ms);
  EXPECT_EQ(notes_.back().view.percent, 100u);
}

TEST_F(ProgressTrackerTest, ARestartTakesBytesBack) {
  tracker_.begin("reading", items_);
  tracker_.advance(0, 200);
  tracker_.restart(0, 50);
  pass(500ms);
  EXPECT_EQ(notes_.back().view.items[0].done_bytes, 50u);
}

TEST_F(ProgressTrackerTest, FinishesOnce) {
  tracker_.begin("reading", items_);
  tracker_.end(false);
  tracker_.finish(6);
  tracker_.finish(0);
  EXPECT_EQ(notes_.back().what, "finish failed");
  EXPECT_EQ(notes_.size(), 2u);
}

TEST_F(ProgressTrackerTest, NothingIsSilentForLongerThanAHeartbeat) {
  pass(1900ms);
  EXPECT_TRUE(notes_.empty());
  pass(100ms);
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_EQ(notes_[0].what, "idle") << "the Hub is asked what there is, say";
  pass(1s);
  tracker_.tell("retry", {});
  pass(1900ms);
  EXPECT_EQ(notes_.back().what, "tell retry") << "a sign of life, too";
  pass(100ms);
  EXPECT_EQ(notes_.back().what, "idle");
}

TEST(WholePercent, IsExactAtTheEdges) {
  EXPECT_EQ(whole_percent({0, 0}), 100u);
  EXPECT_EQ(whole_percent({0, 5}), 0u);
  EXPECT_EQ(whole_percent({999, 1000}), 99u);
  EXPECT_EQ(whole_percent({1000, 1000}), 100u);
  EXPECT_EQ(whole_percent({UINT64_MAX - 1, UINT64_MAX}), 99u);
  EXPECT_EQ(whole_percent({UINT64_MAX / 2, UINT64_MAX}), 49u);
}

// What a style writes, through a pipe.
std::string written(std::unique_ptr<ProgressStyle> (*make)(Console&), const ProgressView& view,
                    bool finish) {
  int ends[2];
  if (pipe(ends) != 0) return "pipe failed";
  {
    Console console(ends[1]);
    const auto style = make(console);
    if (finish)
      style->finish(view, 0, {});
    else
      style->paint(view);
  }
  close(ends[1]);
  std::string text(8192, '\0');
  const ssize_t count = read(ends[0], text.data(), text.size());
  text.resize(count > 0 ? static_cast<size_t>(count) : 0);
  close(ends[0]);
  return text;
}

ProgressView half_way() {
  ProgressView view;
  view.action = "reading weights";
  view.items = {{"a", 2048, 1024, ItemState::Active}, {"b", 0, 0, ItemState::Queued}};
  view.done_bytes = 1024;
  view.total_bytes = 2048;
  view.share = {1024, 2049};
  view.percent = 49;
  view.bytes_per_second = 512;
  view.eta_seconds = 2;
  return view;
}

TEST(PlainProgress, IsALineForPeople) {
  EXPECT_EQ(written(make_plain_progress, half_way(), false),
            "reading weights: 49 % (1 KiB of 2 KiB, 512 B/s, 2.0 s left)\n");
}

TEST(PlainProgress, SaysWhatComesBehindTheLastByte) {
  ProgressView view = half_way();
  view.done_bytes = view.total_bytes;
  view.eta_seconds = 0;
  EXPECT_EQ(left_text(view), "");
  view.items[0].state = ItemState::Verifying;
  EXPECT_EQ(written(make_plain_progress, view, false),
            "reading weights: 49 % (2 KiB of 2 KiB, 512 B/s, verifying)\n");
  view.done_bytes = 1024, view.eta_seconds = 2;
  EXPECT_EQ(left_text(view), "2.0 s left") << "of other files";
}

// Without what differs from run to run.
std::string anonymous(std::string line) {
  line.replace(line.find(R"("task_id":")") + 11, 8, "ID");
  line.replace(line.find(R"("ts":")") + 6, std::string_view("2026-11-21T07:54:42.123Z").size(),
               "TIME");
  return line;
}

TEST(JsonProgress, SaysHowItEnded) {
  const std::string line = anonymous(written(make_json_progress, half_way(), true));
  EXPECT_TRUE(line.starts_with(
      R"({"v":1,"event":"done","task_id":"ID","ts":"TIME","ok":true,"exit_code":0,"action")"))
      << line;
}

TEST(JsonProgress, IsOneObjectALine) {
  const std::string line = anonymous(written(make_json_progress, half_way(), false));
  EXPECT_EQ(line,
            R"({"v":1,"event":"progress","task_id":"ID","ts":"TIME",)"
            R"("action":"reading weights","bundle":true,)"
            R"("files":[{"name":"a","size":2048,"bytes":1024,"progress":50,"state":"active"},)"
            R"({"name":"b","size":0,"bytes":0,"progress":0,"state":"queued"}],)"
            R"("files_done":0,"files_total":2,)"
            R"("bytes_downloaded":1024,"total_bytes":2048,"total_size":2048,"overall_progress":49,)"
            R"("bytes_per_second":512,"eta_seconds":2})"
            "\n");
}

TEST(JsonProgress, ListsOnlyWhatChangedOfVeryManyFiles) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Console console(ends[1]);
  const auto style = make_json_progress(console);
  ProgressView view = half_way();
  view.items.resize(600, {"same", 10, 0, ItemState::Queued});  // fits a pipe's 64 KiB
  style->paint(view);
  std::string text(1 << 16, '\0');
  EXPECT_GT(read(ends[0], text.data(), text.size()), 30000) << "the first lists all";
  view.items[7].done_bytes = 3;
  style->paint(view);
  const ssize_t count = read(ends[0], text.data(), text.size());
  ASSERT_GT(count, 0);
  text.resize(static_cast<size_t>(count));
  EXPECT_NE(text.find(R"("files":[{"name":"same","size":10,"bytes":3,"progress":30,)"
                      R"("state":"queued"}])"),
            std::string::npos)
      << text;
  close(ends[0]);
  close(ends[1]);
}

TEST(ProgressBar, DrawsALineAFileAndATotalAndGivesTheCursorBack) {
  const std::string drawn = written(make_progress_bar, half_way(), false);
  EXPECT_TRUE(drawn.starts_with("\r\x1b[?25l")) << drawn;
  EXPECT_EQ(std::ranges::count(drawn.substr(0, drawn.find("\x1b[J")), '\n'), 3);
  EXPECT_TRUE(drawn.ends_with("\r\x1b[3A\x1b[J\x1b[?25h")) << "cleared with its console";
}

TEST(ProgressBar, TellsSizesAndTimeWhereThereIsRoom) {
  const std::string drawn = written(make_progress_bar, half_way(), false);  // 80 columns
  EXPECT_NE(drawn.find("1 KiB / 2 KiB  2.0 s left"), std::string::npos) << drawn;
  ProgressView view = half_way();
  view.items.resize(1);
  const std::string alone = written(make_progress_bar, view, false);
  EXPECT_NE(alone.find("reading weights █"), std::string::npos) << "no wider than it is" << alone;
  EXPECT_NE(alone.find("1 KiB / 2 KiB  512 B/s  2.0 s left"), std::string::npos) << alone;
}

}  // namespace
}  // namespace stkit::cli
