// What a download shows: its plan for people, and the fields of its events for programs.
#pragma once

#include "output.h"
#include "stkit/download.h"
#include "terminal.h"

namespace stkit::cli {

// Less what is there, whole or in part.
uint64_t bytes_to_fetch(const DownloadReport& plan);

// Every file with the reason why it is taken or left.
void render_plan(Output& out, const Terminal& terminal, const DownloadReport& report);

// Fields of the events plan, file_done, restart and error, and of the last event.
void write_plan(JsonWriter& json, const DownloadReport& plan);
void write_file_done(JsonWriter& json, const DownloadedFile& file, double seconds);
void write_restart(JsonWriter& json, const DownloadRestart& restart);
void write_failure(JsonWriter& json, const Error& error);
void write_outcome(JsonWriter& json, const DownloadReport& report);

}  // namespace stkit::cli
