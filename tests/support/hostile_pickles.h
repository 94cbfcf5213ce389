// What published attacks on torch.load and on pickle scanners look like.
#pragma once

#include <string>
#include <vector>

namespace stkit::test {

struct HostilePickle {
  const char* name;
  std::string bytes;   // a whole pickle, or one that breaks behind the call
  const char* global;  // that it would have Python call
};

std::vector<HostilePickle> hostile_pickles();

}  // namespace stkit::test
