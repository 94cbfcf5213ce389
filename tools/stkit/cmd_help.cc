#include <fmt/format.h>

#include <memory>
#include <vector>

#include "command.h"
#include "manual.h"
#include "options.h"
#include "session.h"
#include "stkit/text.h"

namespace stkit::cli {
namespace {

Result<int> run_help(const std::string& topic, Session& session) {
  const ProgramDoc& program = session.program();
  const CommandDoc* doc = topic.empty() ? &program.program : program.find(topic);
  if (doc == nullptr) {
    std::vector<std::string_view> names;
    for (const Command& row : commands())
      if (!row.hidden) names.push_back(row.name);
    const std::string_view meant = nearest(topic, names);
    return fail(ErrorCode::Usage, fmt::format("unknown command '{}'", topic),
                meant.empty() ? fmt::format("one of: {}", fmt::join(names, ", "))
                              : fmt::format("did you mean '{}'?", meant));
  }
  session.write_text([&](const Terminal& terminal) { return long_help(*doc, program, terminal); });
  return 0;
}

}  // namespace

Action add_help(CLI::App& command) {
  auto topic = std::make_shared<std::string>();
  add_text(command, "COMMAND", *topic, "COMMAND", "The command to explain");
  return [topic](Session& session) { return run_help(*topic, session); };
}

}  // namespace stkit::cli
