#include <sys/stat.h>

#include <array>

#include "io_test.h"
#include "stkit/io.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TempDir;
using test::write_file;
using namespace std::string_view_literals;

class LocalFolderTest : public testing::Test {
 protected:
  LocalFolderTest() {
    write_file(dir_ / "model/a.txt", "a");
    write_file(dir_ / "model/sub/b.txt", "bb");
    write_file(dir_ / "outside/secret", "secret");
    write_file(dir_ / "model-2/near", "near");
    folder_ = open_local_folder(dir_ / "model").value();
  }

  std::string path(std::string_view name) const {
    return (dir_ / "model").string() + "/" + std::string(name);
  }

  TempDir dir_;
  std::unique_ptr<Folder> folder_;
};

TEST_F(LocalFolderTest, OpensWhatLiesBelow) {
  EXPECT_EQ(folder_->open("a.txt").value()->size_bytes(), 1u);
  EXPECT_EQ(folder_->open("sub/b.txt").value()->size_bytes(), 2u);
  EXPECT_EQ(folder_->open("sub/b.txt").value()->label(), path("sub/b.txt"));
  EXPECT_EQ(folder_->path_of("x"), path("x"));
  EXPECT_EQ(open_local_folder("/").value()->path_of("etc"), "/etc");
}

// T18
TEST_F(LocalFolderTest, RefusesNamesThatLeadElsewhere) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  fs::create_symlink(dir_ / "outside/secret", path("link-out"));
  fs::create_symlink("../outside/secret", path("relative-link-out"));
  fs::create_symlink("../model-2/near", path("link-to-neighbour"));
  fs::create_directory_symlink(dir_ / "outside", path("folder-out"));
  fs::create_symlink("/dev/zero", path("device"));
  fs::create_symlink("nowhere", path("dangling"));
  const struct {
    std::string_view name;
    ErrorCode code;
    std::string_view message;
  } kRows[] = {
      {"../outside/secret", ErrorCode::Corrupt, "climbs out"},
      {"sub/../../outside/secret", ErrorCode::Corrupt, "climbs out"},
      {"/etc/passwd", ErrorCode::Corrupt, "absolute"},
      {"C:\\x", ErrorCode::Corrupt, "drive letter"},
      {"\\\\h\\s", ErrorCode::Corrupt, "network path"},
      {"a.txt\0"sv, ErrorCode::Corrupt, "NUL"},
      {"link-out", ErrorCode::Corrupt, "outside/secret'"},
      {"relative-link-out", ErrorCode::Corrupt, "leads outside the folder"},
      {"link-to-neighbour", ErrorCode::Corrupt, "leads outside the folder"},
      {"folder-out/secret", ErrorCode::Corrupt, "leads outside the folder"},
      {"device", ErrorCode::Unsupported, "character device"},
      {"fifo", ErrorCode::Unsupported, "FIFO"},
      {"sub", ErrorCode::Unsupported, "is a folder"},
      {"dangling", ErrorCode::NotFound, "symbolic link to a file that does not exist"},
      {"none", ErrorCode::NotFound, "no such file"},
  };
  const size_t descriptors = test::open_descriptors();
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    const auto file = folder_->open(row.name);
    expect_error(file, row.code, row.message);
    EXPECT_EQ(file.error().path, folder_->path_of(row.name));
  }
  EXPECT_EQ(test::open_descriptors(), descriptors);
  expect_error(folder_->list("folder-out"), ErrorCode::Corrupt, "leads outside");
  expect_error(folder_->list("../outside"), ErrorCode::Corrupt, "climbs out");
  expect_error(folder_->list("none"), ErrorCode::NotFound, "cannot be listed");
}

TEST_F(LocalFolderTest, FollowsLinksThatStayInside) {
  fs::create_symlink("sub/b.txt", path("link"));
  fs::create_directory_symlink("sub", path("folder-link"));
  EXPECT_EQ(folder_->open("link").value()->size_bytes(), 2u);
  EXPECT_EQ(folder_->open("folder-link/b.txt").value()->size_bytes(), 2u);
}

TEST_F(LocalFolderTest, MayItselfBeALink) {
  fs::create_directory_symlink("model", dir_ / "alias");
  const auto alias = open_local_folder(dir_ / "alias").value();
  EXPECT_EQ(alias->open("a.txt").value()->size_bytes(), 1u);
  EXPECT_EQ(alias->list().value().size(), 2u);
}

TEST_F(LocalFolderTest, ListsSortedWithKindsAndProblems) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  fs::create_symlink(dir_ / "outside/secret", path("link-out"));
  fs::create_symlink("nowhere", path("dangling"));
  fs::create_symlink("a.txt", path("link"));
  const auto entries = folder_->list().value();
  const struct {
    std::string_view name;
    EntryKind kind;
    uint64_t size;
    std::string_view problem;
  } kRows[] = {
      {"a.txt", EntryKind::File, 1, ""},
      {"dangling", EntryKind::Other, 0, "does not exist"},
      {"fifo", EntryKind::Other, 0, "FIFO"},
      {"link", EntryKind::File, 1, ""},
      {"link-out", EntryKind::Other, 0, "leads outside the folder"},
      {"sub", EntryKind::Folder, 0, ""},
  };
  ASSERT_EQ(entries.size(), std::size(kRows));
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].name, kRows[i].name);
    EXPECT_EQ(entries[i].kind, kRows[i].kind) << entries[i].name;
    EXPECT_EQ(entries[i].size_bytes, kRows[i].size) << entries[i].name;
    EXPECT_NE(entries[i].problem.find(kRows[i].problem), std::string::npos) << entries[i].problem;
  }
  const auto below = folder_->list("sub").value();
  ASSERT_EQ(below.size(), 1u);
  EXPECT_EQ(below[0].name, "sub/b.txt");
}

// The layout of the Hub's cache, in which every file is a link out of the snapshot.
TEST(LocalFolderHub, FollowsLinksToTheBlobsOfItsOwnRepository) {
  TempDir dir;
  const fs::path repo = dir / "models--org--name";
  write_file(repo / "blobs/1234", "weights");
  write_file(repo / "refs/main", "abc");
  write_file(dir / "models--org--other/blobs/5678", "others");
  fs::create_directories(repo / "snapshots/abc/sub");
  fs::create_symlink("../../blobs/1234", repo / "snapshots/abc/model.safetensors");
  fs::create_symlink("../../../blobs/1234", repo / "snapshots/abc/sub/x.safetensors");
  fs::create_symlink("../../refs/main", repo / "snapshots/abc/ref");
  fs::create_symlink("../../../models--org--other/blobs/5678", repo / "snapshots/abc/other");
  fs::create_symlink("../../blobs/missing", repo / "snapshots/abc/partial");

  const auto snapshot = open_local_folder(repo / "snapshots/abc").value();
  EXPECT_EQ(snapshot->open("model.safetensors").value()->size_bytes(), 7u);
  EXPECT_EQ(snapshot->open("sub/x.safetensors").value()->size_bytes(), 7u);
  expect_error(snapshot->open("ref"), ErrorCode::Corrupt, "leads outside");
  expect_error(snapshot->open("other"), ErrorCode::Corrupt, "leads outside");
  expect_error(snapshot->open("partial"), ErrorCode::NotFound, "does not exist");
  const auto entries = snapshot->list().value();
  ASSERT_EQ(entries.size(), 5u);
  EXPECT_EQ(entries[0].name, "model.safetensors");
  EXPECT_EQ(entries[0].kind, EntryKind::File);
  EXPECT_EQ(entries[0].size_bytes, 7u);
  EXPECT_EQ(entries[1].kind, EntryKind::Other);

  const auto below = open_local_folder(repo / "snapshots/abc/sub").value();
  EXPECT_EQ(below->open("x.safetensors").value()->size_bytes(), 7u);
}

TEST(LocalFolder, MustBeAFolder) {
  TempDir dir;
  write_file(dir / "file", "x");
  expect_error(open_local_folder(dir / "file"), ErrorCode::Unsupported, "is a regular file");
  expect_error(open_local_folder(dir / "none"), ErrorCode::NotFound, "no such file or folder");
  expect_error(open_local_folder("/dev/null"), ErrorCode::Unsupported, "character device");
  expect_error(open_local_folder(std::string("a\0b", 3)), ErrorCode::NotFound, "NUL");
  EXPECT_EQ(open_local_folder("").value()->label(), ".");
}

}  // namespace
}  // namespace stkit
