#include "render_validate.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "support/temp_dir.h"

namespace stkit::cli {
namespace {

std::string annotations(const ValidateReport& report, const std::string& workspace = {}) {
  const test::TempDir folder;
  const auto path = folder / "out";
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
  Output out(fd);
  render_annotations(out, report, workspace);
  EXPECT_TRUE(out.flush());
  close(fd);
  return test::read_file(path);
}

// A file name must not be able to end its annotation and start another.
TEST(Annotations, EscapeWhatGitHubReads) {
  ValidateReport report;
  Finding finding;
  finding.check = Check::Truncated;
  finding.path = "a,b:c%.safetensors";
  finding.message = "100% gone\n::error::forged";
  finding.hint = "again";
  report.findings.push_back(finding);
  EXPECT_EQ(annotations(report),
            "::error file=a%2Cb%3Ac%25.safetensors,title=ST021 truncated::100%25 gone"
            "\\n::error::forged%0Ahint: again\n");
}

TEST(Annotations, NotesAreNotices) {
  ValidateReport report;
  Finding finding;
  finding.check = Check::MissingFormatTag;
  finding.message = "m";
  finding.hint = "h";
  report.findings.push_back(finding);
  EXPECT_EQ(annotations(report), "::notice title=ST025 missing-format-tag::m%0Ahint: h\n");
}

TEST(Annotations, NamePathsAsGitHubKnowsThem) {
  const std::string here = std::filesystem::current_path().string();
  const std::string above = std::filesystem::current_path().parent_path().string();
  const std::string folder = std::filesystem::current_path().filename().string();
  struct Row {
    std::string path, workspace, shown;
  };
  for (const Row& row : {
           Row{"x.safetensors", "", "x.safetensors"},
           Row{"./x.safetensors", "", "x.safetensors"},
           Row{"models/./a/../x", "", "models/x"},
           Row{"/elsewhere/x", "", "/elsewhere/x"},
           Row{"./x", here, "x"},
           Row{"./x", above, folder + "/x"},
           Row{"../x", above, "x"},
           Row{here + "/models/x", here, "models/x"},
           Row{"/elsewhere/x", here, "/elsewhere/x"},
       })
    EXPECT_EQ(path_in_workspace(row.path, row.workspace), row.shown)
        << row.path << " in " << row.workspace;
  ValidateReport report;
  report.findings.push_back({.check = Check::Truncated, .path = here + "/x", .message = "m"});
  EXPECT_TRUE(annotations(report, here).starts_with("::error file=x,title="))
      << annotations(report);
}

}  // namespace
}  // namespace stkit::cli
