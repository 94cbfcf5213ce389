// Option values: every kind of value is checked and described in one place. What a validator says
// is shown as "<option>: <message>", with the text behind a line feed as the hint.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/model.h"

namespace stkit::cli {

// One of `choices`; completions offer them.
CLI::Option* add_choice(CLI::App& app, const std::string& name, std::string& value,
                        std::span<const std::string_view> choices, const std::string& description);

// "64K", "1.5GiB".
CLI::Option* add_size(CLI::App& app, const std::string& name, uint64_t& bytes,
                      const std::string& description);

CLI::Option* add_count(CLI::App& app, const std::string& name, uint64_t& count, uint64_t most,
                       const std::string& description);
CLI::Option* add_count(CLI::App& app, const std::string& name, std::optional<uint64_t>& count,
                       uint64_t most, const std::string& description);

// A text whose kind `type` names: FILE, DIR and MODEL are completed as paths.
CLI::Option* add_text(CLI::App& app, const std::string& name, std::string& value,
                      const std::string& type, const std::string& description);

// The same, each time it is given.
CLI::Option* add_texts(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                       const std::string& type, const std::string& description);

// --name, or --name=VALUE; `fallback` when no value is given.
CLI::Option* add_optional_text(CLI::App& app, const std::string& name, std::string& value,
                               const std::string& fallback, const std::string& type,
                               const std::string& description);

// Which of the models in one place is meant, and how large its headers may be.
void add_open_options(CLI::App& app, OpenOptions& open);

// The operands that a command takes one or more of.
CLI::Option* add_models(CLI::App& app, std::vector<std::string>& models);

// The operand of a command that takes one.
CLI::Option* add_model(CLI::App& app, std::string& model, const std::string& description);

}  // namespace stkit::cli
