#include "hub/transfer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "fake_clock.h"
#include "hub/api.h"
#include "support/fake_hub.h"
#include "support/temp_dir.h"
#include "unit/io/faulty_calls.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using test::Answer;
using test::FakeClock;
using test::FakeHub;
using test::SeenRequest;
using test::TempDir;

constexpr uint64_t kMiB = 1 << 20;

struct Fixture {
  FakeHub hub;
  TempDir dir;
  std::map<std::string, std::string> contents;
  CancelToken cancel;
  test::FaultyCalls calls;  // that fail where told to, and do not wait for the disk
  TransferOptions options{.connections = 4, .calls = calls};
  std::vector<std::string> restarts;
  uint64_t stall_bytes_per_second = 1024;
  Clock* clock = nullptr;  // in place of the real one

  void add(const std::string& name, std::string content, bool large = true) {
    hub.add(name, content, large);
    contents[name] = std::move(content);
  }

  Result<TransferReport> run() {
    FetchOptions fetch;
    fetch.endpoint = *Url::parse(hub.endpoint());
    fetch.token = "hf_secret";
    fetch.http.stall_time = 300ms;
    fetch.http.stall_bytes_per_second = stall_bytes_per_second;
    fetch.retry.first_wait = 1ms;
    Fetcher fetcher(fetch, clock == nullptr ? Clock::real() : *clock);
    HubApi api(fetcher, *fetch.endpoint);
    const auto tree = api.tree("org/name", "main", nullptr);
    if (!tree) return std::unexpected(tree.error());
    std::vector<TransferJob> jobs;
    for (const RepoFile& file : tree->files)
      jobs.push_back({.name = file.path,
                      .url = api.file_url(tree->repo, tree->commit, file.path),
                      .expected = {file.size_bytes, file.sha256, tree->commit},
                      .etag = file.etag(),
                      .stem = dir / ("part-" + file.path),
                      .target = dir / file.path});
    options.on_restart = [&](const TransferJob& job, const TransferRestart&) {
      restarts.push_back(job.name);
    };
    return transfer_files(fetcher, jobs, options, {.cancel = &cancel});
  }

  void expect_whole() {
    size_t files = 0;
    for (const auto& entry : fs::directory_iterator(dir.path())) {
      ++files;
      EXPECT_TRUE(contents.contains(entry.path().filename().string())) << entry.path();
    }
    EXPECT_EQ(files, contents.size());
    for (const auto& [name, content] : contents)
      EXPECT_TRUE(test::read_file(dir / name) == content) << name;
  }

  // Bytes of a file's content that left the server.
  uint64_t sent(std::string_view name) const {
    uint64_t bytes = 0;
    for (const SeenRequest& request : hub.requests_for(name)) bytes += request.body_bytes_sent;
    return bytes;
  }
};

TEST(Transfer, FetchesFilesOfEverySize) {
  Fixture f;
  f.add("empty", "", false);
  f.add("small.json", "{}", false);
  f.add("block.bin", test::noise(kMiB));
  f.add("large.bin", test::noise(9 * kMiB + 17));
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->files, 4u);
  EXPECT_EQ(report->network_bytes, 10 * kMiB + 17 + 2);
  EXPECT_EQ(report->resumed_bytes, 0u);
  f.expect_whole();
  EXPECT_TRUE(f.restarts.empty());
  for (const SeenRequest& request : f.hub.cdn().log())
    EXPECT_EQ(request.header("authorization"), "");  // T56
}

// T49, F1: broken off after any number of bytes, nothing that arrived is asked for again. Each file
// breaks once, after a number of its own; what is written goes in buffers of 256 KiB.
TEST(Transfer, GoesOnAtTheVeryByte) {
  constexpr uint64_t kBuffer = 256 << 10;
  std::vector<std::pair<uint64_t, uint64_t>> files;  // size, and where it breaks
  for (uint64_t i = 0; i < 190; ++i) files.emplace_back(20'000, i < 95 ? i * 7 : i * 105);
  for (const uint64_t k : {kBuffer - 1, kBuffer, kBuffer + 1, 2 * kBuffer - 1, 2 * kBuffer})
    files.emplace_back(600'000, k);
  for (const uint64_t k : {kMiB - 1, kMiB, kMiB + 1, kMiB + kBuffer, kMiB + kBuffer + 1})
    files.emplace_back(kMiB + 300'000, k);
  Fixture f;
  std::map<std::string, uint64_t> breaks;
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string name = "f" + std::to_string(i);
    f.add(name, test::noise(files[i].first, static_cast<uint32_t>(i)));
    breaks[name] = files[i].second;
  }
  f.options.connections = 1;
  std::set<std::string> broken;
  f.hub.tamper_cdn([&](const SeenRequest& request, Answer& answer) {
    const std::string name = request.target.substr(6, request.target.find('?') - 6);
    if (broken.insert(name).second) answer.cut_after = breaks.at(name);
  });
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  f.expect_whole();
  std::map<std::string, std::vector<SeenRequest>> requests;
  for (const SeenRequest& request : f.hub.cdn().log())
    requests[request.target.substr(6, request.target.find('?') - 6)].push_back(request);
  for (const auto& [name, k] : breaks) {
    const auto& seen = requests[name];
    ASSERT_EQ(seen.size(), 2u) << name;
    EXPECT_EQ(seen[1].range()->first, k) << name;
    EXPECT_EQ(seen[0].body_bytes_sent + seen[1].body_bytes_sent, f.contents[name].size()) << name;
  }
}

// F1: a line that breaks always and brings too little.
TEST(Transfer, GivesUpWhenNothingMovesAndKeepsWhatIsThere) {
  Fixture f;
  f.add("x.bin", test::noise(3 * kMiB));
  f.options.connections = 1;
  std::atomic<bool> broken = true;
  f.hub.tamper_cdn([&](const SeenRequest& request, Answer& answer) {
    if (broken && request.range()->first > 0) answer.cut_after = 100;
    if (broken && request.range()->first == 0) answer.cut_after = kMiB + 5;
  });
  const auto report = f.run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::Network);
  EXPECT_NE(report.error().message.find("gave up after 8 tries"), std::string::npos)
      << report.error().message;
  EXPECT_FALSE(fs::exists(f.dir / "x.bin"));

  broken = false;
  f.hub.cdn().clear_log();
  const auto again = f.run();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->resumed_bytes, kMiB);
  EXPECT_EQ(f.hub.requests_for("x.bin").front().range()->first, kMiB);
  f.expect_whole();
}

// F4, F14, T51: every kind of trouble, one after the other.
TEST(Transfer, SurvivesTroubleOfEveryKind) {
  Fixture f;
  f.add("x.bin", test::noise(6 * kMiB));
  std::atomic<int> count = 0;
  f.hub.tamper_cdn([&](const SeenRequest&, Answer& answer) {
    switch (count++) {
      case 0:
        answer.cut_after = 700'000;
        answer.end = Answer::End::Reset;
        break;
      case 1: answer = Answer{.status = 503}; break;
      case 2:
        answer.cut_after = 300'000;
        answer.end = Answer::End::Hold;
        break;
      case 3: answer = Answer{.raw = "\r\n"}; break;
      case 4: answer = Answer{.status = 403}; break;
      case 5: answer = Answer{.status = 429}; break;
      default: break;
    }
  });
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  f.expect_whole();
  EXPECT_TRUE(f.restarts.empty());
}

// F5
TEST(Transfer, TakesTheWholeFromAServerWithoutRanges) {
  for (const uint64_t piece : {64 * kMiB, kMiB}) {
    Fixture f;
    f.add("x.bin", test::noise(5 * kMiB));
    f.options.piece_bytes = piece;
    f.hub.tamper_cdn(
        [&](const SeenRequest&, Answer& answer) { answer = Answer{.body = f.contents["x.bin"]}; });
    const auto report = f.run();
    ASSERT_TRUE(report) << report.error().message;
    f.expect_whole();
  }
}

// F7, F8, T54
TEST(Transfer, NeverGivesItsNameToWrongContent) {
  for (const int wrong : {1, 100}) {
    Fixture f;
    f.add("x.bin", test::noise(2 * kMiB));
    std::atomic<int> count = 0;
    f.hub.tamper_cdn([&](const SeenRequest&, Answer& answer) {
      if (count++ < wrong) answer.body[answer.body.size() / 2] ^= 1;
    });
    f.options.connections = 1;
    const auto report = f.run();
    EXPECT_EQ(f.restarts.size(), 1u);
    if (wrong == 1) {
      ASSERT_TRUE(report) << report.error().message;
      f.expect_whole();
      continue;
    }
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::Checksum);
    EXPECT_FALSE(fs::exists(f.dir / "x.bin"));
    EXPECT_TRUE(fs::exists(f.dir / "part-x.bin.mismatch"));
    EXPECT_NE(report.error().hint.find("part-x.bin.mismatch"), std::string::npos);
  }
}

// T50: another content appears between two ranges.
TEST(Transfer, StartsAnewWhenTheFileIsReplaced) {
  Fixture f;
  f.add("x.bin", test::noise(3 * kMiB));
  f.options.connections = 1;
  std::atomic<int> count = 0;
  f.hub.tamper_cdn([&](const SeenRequest&, Answer& answer) {
    if (count++ == 0) {
      answer.cut_after = kMiB;
      for (auto& [name, value] : answer.headers)
        if (name == "ETag") value = "\"before\"";
    }
  });
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(f.restarts.size(), 1u);
  f.expect_whole();
}

// F10: a partial file of another content, size or make is not gone on with.
TEST(Transfer, TakesUpOnlyWhatBelongsToTheContent) {
  for (const std::string_view damage : {"etag", "journal", "size", "content"}) {
    Fixture f;
    f.add("x.bin", test::noise(3 * kMiB));
    f.options.connections = 1;
    f.hub.tamper_cdn([](const SeenRequest& request, Answer& answer) {
      answer.cut_after = request.range()->first == 0 ? 2 * kMiB : 0;
    });
    ASSERT_FALSE(f.run());
    f.hub.tamper_cdn({});
    const fs::path journal = f.dir / "part-x.bin.journal", part = f.dir / "part-x.bin.incomplete";
    std::string text = test::read_file(journal);
    ASSERT_EQ(text.size(), 256u + 2);
    if (damage == "etag") text[40] = 'z';
    if (damage == "journal") text = "x";
    test::write_file(journal, text);
    if (damage == "size") fs::resize_file(part, 5);
    if (damage == "content") test::write_file(part, std::string(3 * kMiB, 'x'));
    const auto report = f.run();
    ASSERT_TRUE(report) << damage << ": " << report.error().message;
    EXPECT_EQ(report->resumed_bytes, damage == "content" ? 2 * kMiB : 0) << damage;
    EXPECT_EQ(f.restarts.size(), damage == "content" ? 1u : 0u) << damage;
    f.expect_whole();
  }
}

// F12: each signed address works for a few requests alone, and all connections notice at once.
TEST(Transfer, AsksForAnotherAddressAsOftenAsOneExpires) {
  Fixture f;
  f.add("x.bin", test::noise(24 * kMiB));
  f.options.connections = 12;
  f.options.piece_bytes = kMiB;
  std::atomic<int> issued = 0, used = 0;
  f.hub.tamper_hub([&](const SeenRequest& request, Answer& answer) {
    if (answer.status != 302 || request.target.find("/resolve/") == std::string::npos) return;
    used = 0;
    for (auto& [name, value] : answer.headers)
      if (name == "Location") value += std::to_string(++issued);
  });
  f.hub.tamper_cdn([&](const SeenRequest& request, Answer& answer) {
    const bool newest = request.target.ends_with("=secret" + std::to_string(issued));
    if (!newest || ++used > 6) answer = Answer{.status = 403, .body = "Request has expired"};
  });
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GE(issued, 4);
  f.expect_whole();
}

// F4: what is refused to all connections at once counts as one failure, however many they are.
TEST(Transfer, CountsWhatBreaksTogetherOnce) {
  Fixture f;
  f.add("x.bin", test::noise(20 * kMiB));
  f.options.connections = 16;
  f.options.piece_bytes = kMiB;
  std::atomic<int> refusals = 0;
  f.hub.tamper_cdn([&](const SeenRequest& request, Answer& answer) {
    if (request.range()->first > 0 && refusals++ < 15)
      answer = Answer{.status = 429, .headers = {{"Retry-After", "0"}}};
  });
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  f.expect_whole();
}

TEST(Transfer, GivesUpHoweverManyConnectionsTry) {
  for (const bool asks_to_wait : {false, true}) {
    Fixture f;
    f.add("x.bin", test::noise(4 * kMiB));
    f.options.connections = 16;
    f.options.piece_bytes = kMiB;
    f.hub.tamper_cdn([&](const SeenRequest&, Answer& answer) {
      answer = Answer{.status = 429};
      if (asks_to_wait) answer.headers.emplace_back("Retry-After", "0");
    });
    FakeClock clock;
    f.clock = &clock;
    const auto report = f.run();
    ASSERT_FALSE(report);
    EXPECT_NE(report.error().message.find("gave up after 8 tries"), std::string::npos)
        << report.error().message;
  }
}

// F2, F5: a server without ranges, and a line that breaks: from the start, but not for ever.
TEST(Transfer, StartsAnewWhereItCannotGoOn) {
  for (const int breaks : {3, 100}) {
    Fixture f;
    f.add("x.bin", test::noise(3 * kMiB));
    std::atomic<int> count = 0;
    f.hub.tamper_cdn([&](const SeenRequest&, Answer& answer) {
      answer = Answer{.body = f.contents["x.bin"]};
      if (count++ < breaks) answer.cut_after = 2 * kMiB;
    });
    const auto report = f.run();
    EXPECT_EQ(report.has_value(), breaks == 3);
    if (report) f.expect_whole();
    if (!report) {
      EXPECT_NE(report.error().message.find("gave up after 8 tries"), std::string::npos);
    }
  }
}

// F12: forbidden for good.
TEST(Transfer, StopsWhereAccessIsRefused) {
  Fixture f;
  f.add("x.bin", test::noise(kMiB));
  f.hub.tamper_cdn([](const SeenRequest&, Answer& answer) {
    answer = Answer{.status = 403, .body = "denied by policy"};
  });
  const auto report = f.run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::AccessDenied);
  EXPECT_NE(report.error().message.find("denied by policy"), std::string::npos);
  EXPECT_LE(f.hub.cdn().log().size(), 4u);
}

TEST(Transfer, StopsSoonWhenCancelled) {
  Fixture f;
  f.add("x.bin", test::noise(4 * kMiB));
  f.hub.tamper_cdn([&](const SeenRequest&, Answer& answer) {
    answer.cut_after = 10;
    answer.end = Answer::End::Hold;
    f.cancel.cancel();
  });
  const auto report = f.run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::Interrupted);
}

TEST(Transfer, SharesALargeFileAmongConnections) {
  Fixture f;
  f.add("x.bin", test::noise(20 * kMiB));
  // The first connection brings nothing more than its first bytes: others take over.
  std::atomic<int> count = 0;
  f.hub.tamper_cdn([&](const SeenRequest&, Answer& answer) {
    if (count++ == 0) {
      answer.cut_after = 1000;
      answer.end = Answer::End::Hold;
    }
  });
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GE(f.hub.cdn().connections(), 3u);
  EXPECT_EQ(report->network_bytes, 20 * kMiB);
  f.expect_whole();
}

// F3: a connection that is slow, but not so slow that it has stalled.
TEST(Transfer, TakesItsShareFromASlowConnection) {
  Fixture f;
  f.add("x.bin", test::noise(3 * kMiB));
  f.stall_bytes_per_second = 1;
  f.options.patience = 100ms;
  std::atomic<int> count = 0;
  f.hub.tamper_cdn([&](const SeenRequest&, Answer& answer) {
    if (count++ > 0) return;
    answer.cut_after = 100'000;
    answer.end = Answer::End::Trickle;
  });
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  f.expect_whole();
  EXPECT_TRUE(f.restarts.empty());
  EXPECT_GE(f.hub.cdn().log().size(), 2u);  // at 200 bytes a second it would take four hours
}

// T50, F9, F19, F20: bodies that are not what their heads say, on a small file.
TEST(Transfer, TakesNoBodyThatIsNotTheFile) {
  const unsigned char packed[] = {0x1f, 0x8b, 8, 0, 0,    0,    0,    0,    0, 3, 0xcb, 0x48, 0xcd,
                                  0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0, 0,    0};
  const std::string gzip(reinterpret_cast<const char*>(packed), sizeof packed);
  const struct {
    std::string_view name;
    Answer answer;
    std::string_view message;  // of the error; empty: it is the right content in another form
  } kCases[] = {
      {"packed", {.headers = {{"Content-Encoding", "gzip"}}, .body = gzip}, ""},
      {"packed in chunks",
       {.headers = {{"Content-Encoding", "gzip"}}, .body = gzip, .chunked = true},
       ""},
      {"chunks", {.body = "hello", .chunked = true}, ""},
      {"chunks of too much", {.body = "hello and more", .chunked = true}, ""},
      {"too long", {.body = "hello and more"}, "its size is 14, not 5"},
      {"too short", {.body = "hell"}, "its size is 4, not 5"},
      {"too short in chunks", {.body = "hell", .chunked = true}, "gave up"},
      {"a length that lies",
       {.body = "hel", .content_length = 5, .end = Answer::End::Close},
       "gave up"},
      {"a login page",
       {.headers = {{"Content-Type", "text/html"}}, .body = "<htm>"},
       "a web page came"},
      {"not packed", {.headers = {{"Content-Encoding", "gzip"}}, .body = "hello"}, "gave up"},
  };
  for (const auto& c : kCases) {
    Fixture f;
    f.add("x.json", "hello", false);
    f.hub.tamper_hub([&](const SeenRequest& request, Answer& answer) {
      if (request.target.find("/resolve/") != std::string::npos) answer = c.answer;
    });
    FakeClock clock;
    f.clock = &clock;
    const auto report = f.run();
    EXPECT_EQ(report.has_value(), c.message.empty()) << c.name;
    EXPECT_EQ(fs::exists(f.dir / "x.json"), c.message.empty()) << c.name;
    if (report) f.expect_whole();
    if (!report) {
      EXPECT_NE(report.error().message.find(c.message), std::string::npos)
          << c.name << ": " << report.error().message;
    }
  }
}

// F18: two processes where locks do nothing.
TEST(Transfer, SharesItsPartialFilesWithAnotherProcess) {
  Fixture f;
  f.add("x.bin", test::noise(5 * kMiB));
  f.add("y.bin", test::noise(2 * kMiB));
  std::atomic<int> whole = 0;
  {
    std::vector<std::jthread> processes;
    for (int i = 0; i < 2; ++i)
      processes.emplace_back([&] {
        const auto report = f.run();
        EXPECT_TRUE(report) << report.error().message;
        whole += report.has_value();
      });
  }
  EXPECT_EQ(whole, 2);
  for (const auto& [name, content] : f.contents)
    EXPECT_TRUE(test::read_file(f.dir / name) == content) << name;
}

// T38, T39, F17: whichever call fails, the transfer stops with an error that says where, nothing
// that is not whole has a name, and the next run makes it whole.
TEST(Transfer, SurvivesEveryFaultOfTheDisk) {
  struct Fault {
    int number;
    ErrorCode code;
  };
  constexpr Fault kFaults[] = {{ENOSPC, ErrorCode::NoSpace},
                               {EDQUOT, ErrorCode::NoSpace},
                               {EIO, ErrorCode::WriteFailed},
                               {EROFS, ErrorCode::WriteFailed}};
  std::set<std::string_view> reached;
  const std::string content = test::noise(300'000);
  for (int k = 1;; ++k) {
    const Fault& fault = kFaults[static_cast<size_t>(k) % std::size(kFaults)];
    Fixture f;
    f.add("x.bin", content);
    f.options.connections = 1;
    f.calls.fail_at(k, fault.number);
    const auto report = f.run();
    if (f.calls.failed_call().empty()) break;
    reached.insert(f.calls.failed_call());
    SCOPED_TRACE(std::string(f.calls.failed_call()) + ", call " + std::to_string(k));
    if (!report) {
      const bool reads = f.calls.failed_call() == "pread";
      EXPECT_EQ(report.error().code, reads ? ErrorCode::ReadFailed : fault.code)
          << report.error().message;
      EXPECT_NE(report.error().path.find(f.dir.path().string()), std::string::npos)
          << report.error().path;
    }
    if (fs::exists(f.dir / "x.bin")) {
      EXPECT_TRUE(test::read_file(f.dir / "x.bin") == f.contents["x.bin"]);
    }
    f.calls.fail_at(0, 0);
    const auto again = f.run();
    ASSERT_TRUE(again) << again.error().message;
    f.expect_whole();
  }
  for (const std::string_view call : {"open", "pwrite", "truncate", "pread", "sync", "rename"})
    EXPECT_TRUE(reached.contains(call)) << call;
}

// T40
TEST(Transfer, GoesOnWhereTheSystemInterruptsOrWritesLess) {
  Fixture f;
  f.add("x.bin", test::noise(3000));
  f.calls.interrupt(3);
  f.calls.one_byte_at_a_time();
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  f.expect_whole();
}

// T39: the disk's errors stop the transfer and are named.
TEST(Transfer, ReportsWhereItCannotWrite) {
  Fixture f;
  f.add("x.bin", test::noise(kMiB));
  fs::create_directory(f.dir / "part-x.bin.incomplete");
  const auto report = f.run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::WriteFailed);
}

}  // namespace
}  // namespace stkit
