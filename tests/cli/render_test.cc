#include "render_validate.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "support/temp_dir.h"

namespace stkit::cli {
namespace {

std::string annotations(const ValidateReport& report) {
  const test::TempDir folder;
  const auto path = folder / "out";
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
  Output out(fd);
  render_annotations(out, report);
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

}  // namespace
}  // namespace stkit::cli
