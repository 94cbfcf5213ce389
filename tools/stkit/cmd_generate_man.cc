#include <filesystem>
#include <memory>

#include "command.h"
#include "manual.h"
#include "options.h"
#include "session.h"
#include "text_file.h"

namespace stkit::cli {
namespace {

Result<void> write_page(const std::filesystem::path& folder, const CommandDoc& doc,
                        const ProgramDoc& program) {
  std::string name = doc.name + ".1";
  if (const size_t space = name.find(' '); space != std::string::npos) name[space] = '-';
  return write_text_file(folder / name, man_page(doc, program), true);
}

Result<int> run_generate_man(const std::string& folder, Session& session) {
  const ProgramDoc& program = session.program();
  STKIT_TRY(write_page(folder, program.program, program));
  for (const CommandDoc& command : program.commands)
    if (!command.hidden) STKIT_TRY(write_page(folder, command, program));
  return 0;
}

}  // namespace

Action add_generate_man(CLI::App& command) {
  auto folder = std::make_shared<std::string>();
  add_text(command, "DIR", *folder, "DIR", "An existing folder")->required();
  return [folder](Session& session) { return run_generate_man(*folder, session); };
}

}  // namespace stkit::cli
