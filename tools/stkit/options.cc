#include "options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "stkit/text.h"

namespace stkit::cli {
namespace {

CLI::Validator check(std::function<std::string(std::string&)> test) {
  return CLI::Validator(std::move(test), "");
}

std::string not_a_choice(const std::string& typed, std::span<const std::string_view> choices) {
  const std::string_view meant = nearest(typed, choices);
  const std::string list = fmt::format("one of: {}", fmt::join(choices, ", "));
  return fmt::format("unknown value '{}'\n{}", typed,
                     meant.empty() ? list : fmt::format("did you mean '{}'? {}", meant, list));
}

CLI::Validator whole_number(uint64_t most) {
  return check([most](std::string& typed) {
    uint64_t number = 0;
    const char* end = typed.data() + typed.size();
    const auto [stop, error] = std::from_chars(typed.data(), end, number);
    if (error == std::errc() && stop == end && number <= most) return std::string();
    return fmt::format("'{}' is not a whole number from 0 to {}", typed, most);
  });
}

}  // namespace

CLI::Option* add_choice(CLI::App& app, const std::string& name, std::string& value,
                        std::span<const std::string_view> choices, const std::string& description) {
  return app.add_option(name, value, description)
      ->type_name(fmt::format("{}", fmt::join(choices, "|")))
      ->check(check([choices](std::string& typed) {
        return std::ranges::find(choices, typed) != choices.end() ? std::string()
                                                                  : not_a_choice(typed, choices);
      }));
}

CLI::Option* add_size(CLI::App& app, const std::string& name, uint64_t& bytes,
                      const std::string& description) {
  // The value is replaced by the bytes it means, which is what gets stored.
  return app.add_option(name, bytes, description)
      ->type_name("SIZE")
      ->transform(check([](std::string& typed) {
        const Result<uint64_t> parsed = parse_size(typed);
        if (!parsed) return parsed.error().message + "\n" + parsed.error().hint;
        typed = fmt::format("{}", *parsed);
        return std::string();
      }));
}

CLI::Option* add_count(CLI::App& app, const std::string& name, uint64_t& count, uint64_t most,
                       const std::string& description) {
  return app.add_option(name, count, description)->type_name("N")->check(whole_number(most));
}

CLI::Option* add_count(CLI::App& app, const std::string& name, std::optional<uint64_t>& count,
                       uint64_t most, const std::string& description) {
  return app.add_option(name, count, description)->type_name("N")->check(whole_number(most));
}

CLI::Option* add_text(CLI::App& app, const std::string& name, std::string& value,
                      const std::string& type, const std::string& description) {
  return app.add_option(name, value, description)->type_name(type);
}

CLI::Option* add_texts(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                       const std::string& type, const std::string& description) {
  return app.add_option(name, values, description)
      ->type_name(type)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

CLI::Option* add_optional_text(CLI::App& app, const std::string& name, std::string& value,
                               const std::string& fallback, const std::string& type,
                               const std::string& description) {
  return app.add_flag(name + "{" + fallback + "}", value, description)
      ->disable_flag_override(false)
      ->type_name(type);
}

void add_open_options(CLI::App& app, OpenOptions& open) {
  add_text(app, "--key", open.key, "PATH",
           "Where in a training checkpoint the weights are, as in model.ema");
  add_text(app, "--tag", open.tag, "TAG", "Which checkpoint of a DeepSpeed folder (its `latest`)");
  add_size(app, "--max-header", open.max_header_bytes,
           "Accept headers larger than the format's 100 MB");
}

CLI::Option* add_models(CLI::App& app, std::vector<std::string>& models) {
  return app.add_option("MODEL", models, "What to look at; `-` for a list on standard input")
      ->expected(0, -1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("MODEL");
}

CLI::Option* add_model(CLI::App& app, std::string& model, const std::string& description) {
  return app.add_option("MODEL", model, description)->type_name("MODEL");
}

}  // namespace stkit::cli
