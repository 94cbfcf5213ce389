#include <memory>

#include "command.h"
#include "completion.h"
#include "options.h"
#include "session.h"

namespace stkit::cli {

Action add_completion(CLI::App& command) {
  auto shell = std::make_shared<std::string>();
  add_choice(command, "SHELL", *shell, completion_shells(), "The shell to complete in")->required();
  return [shell](Session& session) -> Result<int> {
    session.write_text(
        [&](const Terminal&) { return completion_script(*shell, session.program()); });
    return 0;
  };
}

}  // namespace stkit::cli
