// stdout: the result and nothing else.
#pragma once

#include <string>
#include <string_view>

#include "stkit/error.h"

namespace stkit::cli {

// Buffered; write errors are kept and reported by flush(). A reader that went away (`| head`) is
// not an error: the rest is dropped.
class Output {
 public:
  explicit Output(int fd) : fd_(fd) {}

  void write(std::string_view text);
  // An empty line between what was written and what will be, if both are something.
  void separate() { separate_ = wrote_; }
  Result<void> flush();

  // Nothing that is written arrives any more; long listings may stop.
  bool closed() const { return reader_gone_ || error_ != 0; }

 private:
  void drain();

  int fd_;
  std::string buffer_;
  bool wrote_ = false, separate_ = false;
  bool reader_gone_ = false;
  int error_ = 0;  // errno of the first write that failed
};

}  // namespace stkit::cli
