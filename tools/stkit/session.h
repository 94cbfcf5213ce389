// What a running command has at hand.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "command_line.h"
#include "console.h"
#include "output.h"
#include "progress_tracker.h"
#include "stkit/hub.h"
#include "stkit/progress.h"
#include "terminal.h"

namespace stkit::cli {

class Session {
 public:
  Session(const ProgramDoc& program, const GlobalOptions& global, Output& out, Console& console);

  const ProgramDoc& program() const { return program_; }
  Output& out() { return out_; }
  const Terminal& terminal() const { return terminal_; }  // of stdout
  const Paint& paint() const { return paint_; }
  bool json() const { return json_; }
  void set_json(bool yes) { json_ = yes; }  // a command's own way to ask for it

  RunOptions run_options() const;
  // As the environment says, but for `endpoint`; heeds the token that stops the program, and logs
  // what is tried again.
  HubOptions hub_options(const std::string& endpoint = {}) const;

  // A result that is text for people: as it is, or with --json in {"text": "..."}.
  void write_text(const std::function<std::string(const Terminal&)>& text);

  // Tells programs that follow the progress (--progress json) what happened. From any thread.
  void tell(std::string_view event, const EventFields& fields) const;
  bool tells_events() const { return global_.progress == "json"; }
  // What the last event says beside how far the work came.
  void set_outcome(EventFields fields) { outcome_ = std::move(fields); }
  // Progress is over, whatever came of the work.
  void finish(const Result<int>& done);

 private:
  const ProgramDoc& program_;
  const GlobalOptions& global_;
  Output& out_;
  Terminal terminal_;
  Paint paint_;
  bool json_;
  std::unique_ptr<ProgressTracker> progress_;
  EventFields outcome_;
};

}  // namespace stkit::cli
