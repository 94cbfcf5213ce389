#include "model/name_index.h"

#include <gtest/gtest.h>

#include <string>

namespace stkit {
namespace {

struct Names {
  std::vector<std::string> list;
  std::string_view operator()(uint32_t i) const { return list[i]; }
};

TEST(NameIndex, FindsEveryNameAndNothingElse) {
  Names names;
  for (int i = 0; i < 1000; ++i) names.list.push_back("model.layers." + std::to_string(i));
  const NameIndex index(1000, names);
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_EQ(index.find(names.list[i], names), i);
  EXPECT_FALSE(index.find("model.layers.1000", names));
  EXPECT_FALSE(index.find("", names));
  EXPECT_FALSE(NameIndex().find("a", names));
}

TEST(NameIndex, OfEqualNamesFindsTheFirst) {
  const Names names{{"b", "a", "a", "b", "a"}};
  const NameIndex index(5, names);
  EXPECT_EQ(index.find("a", names), 1u);
  EXPECT_EQ(index.find("b", names), 0u);
}

TEST(NameIndex, KeepsEqualNamesTogether) {
  const Names names{{"b", "a", "c", "b", "a"}};
  const NameIndex index(5, names);
  size_t changes = 0;
  for (size_t i = 1; i < index.slots().size(); ++i)
    changes += names(index.slots()[i - 1].position) != names(index.slots()[i].position);
  EXPECT_EQ(changes, 2u);
}

TEST(NameIndex, DropsAndRenumbers) {
  const Names names{{"a", "b", "c"}};
  NameIndex index(3, names);
  index.renumber(std::vector<uint32_t>{NameIndex::kDropped, 0, 1});
  const Names left{{"b", "c"}};
  EXPECT_FALSE(index.find("a", left));
  EXPECT_EQ(index.find("b", left), 0u);
  EXPECT_EQ(index.find("c", left), 1u);
}

}  // namespace
}  // namespace stkit
