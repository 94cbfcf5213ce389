#pragma once

#include <span>
#include <string>
#include <vector>

namespace stkit::cli {

// The arguments, and none of their secrets where `ps` shows them: the value of --token is copied,
// then overwritten in place.
class SecretArguments {
 public:
  SecretArguments(int argc, char** argv);

  std::span<const char* const> get() const { return pointers_; }  // without the program's name

 private:
  std::vector<std::string> texts_;
  std::vector<const char*> pointers_;
};

}  // namespace stkit::cli
