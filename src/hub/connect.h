#pragma once

#include <memory>

#include "hub/repo_folder.h"
#include "stkit/hub.h"

namespace stkit {

// Nothing is sent yet. Usage when the endpoint is no address or the token cannot be one.
Result<std::shared_ptr<HubConnection>> connect_hub(const HubOptions& options);

}  // namespace stkit
