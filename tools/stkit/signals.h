// How the program stops: signals become a cancelled token, and the terminal is left as it was.
#pragma once

#include "stkit/progress.h"

namespace stkit::cli {

// Cancelled by SIGINT and SIGTERM. A second one ends the program at once.
CancelToken& cancel_token();

// SIGPIPE and SIGXFSZ are ignored, so that writes fail with an error that can be reported.
void install_signal_handlers();

// Tells the handlers what to undo when the program is stopped while a bar is drawn.
void note_cursor_hidden(bool hidden);

// With it, an abort (a broken invariant) leaves the error as JSON on stdout.
void report_aborts_as_json(bool yes);

}  // namespace stkit::cli
