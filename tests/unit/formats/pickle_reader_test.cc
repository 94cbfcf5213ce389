#include "formats/pickle_reader.h"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "support/damage.h"
#include "support/pickle_builder.h"

namespace stkit {
namespace {

using namespace std::string_literals;
using test::PickleBuilder;

// The input lives as long as what was read of it.
struct Read {
  std::string bytes;
  Pickle pickle;
  explicit Read(std::string input)
      : bytes(std::move(input)), pickle(Pickle::read(std::as_bytes(std::span(bytes)))) {}
  std::string problem() const { return pickle.status() ? "none" : pickle.status().error().message; }
};

// Values as Python would print them, more or less.
std::string text_of(const Pickle& p, PickleId id) {
  const auto list = [&](const char* open, const char* close) {
    std::string text = open;
    for (const PickleId child : p.children(id))
      text += (text.size() > 1 ? " " : "") + text_of(p, child);
    return text + close;
  };
  switch (p.kind(id)) {
    case PickleKind::None: return "None";
    case PickleKind::Bool: return p.boolean(id) ? "True" : "False";
    case PickleKind::Int: return std::to_string(p.integer(id));
    case PickleKind::BigInt: return "big:" + std::to_string(p.text(id).size());
    case PickleKind::Float: return std::to_string(p.real(id));
    case PickleKind::String: return "'" + std::string(p.text(id)) + "'";
    case PickleKind::Bytes: return "b'" + std::string(p.text(id)) + "'";
    case PickleKind::Tuple: return list("(", ")");
    case PickleKind::List: return list("[", "]");
    case PickleKind::Dict: return list("{", "}");
    case PickleKind::Set: return list("<", ">");
    case PickleKind::Global: return p.global(id).full_name();
    case PickleKind::Call:
      return text_of(p, p.callable(id)) + text_of(p, p.arguments(id)) +
             (p.state(id) ? "|" + text_of(p, *p.state(id)) : "") +
             (p.items(id) ? "+" + text_of(p, *p.items(id)) : "");
    case PickleKind::PersistentId: return "@" + list("(", ")");
  }
  return "?";
}

std::string value(std::string bytes) {
  const Read read(std::move(bytes));
  return read.pickle.status() ? text_of(read.pickle, read.pickle.root()) : read.problem();
}

TEST(PickleReader, ReadsEveryOpcode) {
  struct Case {
    const char* name;
    std::string bytes;
    const char* value;
  };
  const Case cases[] = {
      {"none", "N.", "None"},
      {"bools", "(I00\nI01\n\x88\x89t.", "(False True True False)"},
      {"int", "I-7\n.", "-7"},
      {"long", "L12345678901L\n.", "12345678901"},
      {"big long", "L119547037146038801333356L\n.", "big:10"},
      {"BININT", "J\xFE\xFF\xFF\xFF.", "-2"},
      {"BININT1", "K\xFF.", "255"},
      {"BININT2", "M\x01\x02.", "513"},
      {"LONG1 of no bytes", "\x8A\0."s, "0"},
      {"LONG1", "\x8A\x02\0\x80."s, "-32768"},
      {"LONG1 of 8", "\x8A\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF.", "-1"},
      {"LONG1 of 9", "\x8A\x09\1\0\0\0\0\0\0\0\0."s, "big:9"},
      {"LONG4", "\x8B\x03\0\0\0\1\0\0."s, "1"},
      {"FLOAT", "F1.5\n.", "1.500000"},
      {"BINFLOAT", "G\x3F\xF8\0\0\0\0\0\0."s, "1.500000"},
      {"STRING", "S'a\\x41\\n\\\\\\101\\q'\n.", "'aA\n\\A\\q'"},
      {"UNICODE", "Va\\u00e9\\U0001F600\xE9\n.", "'a\xC3\xA9\xF0\x9F\x98\x80\xC3\xA9'"},
      {"SHORT_BINSTRING", "U\2ab.", "'ab'"},
      {"BINSTRING", "T\2\0\0\0ab."s, "'ab'"},
      {"BINUNICODE", "X\2\0\0\0ab."s, "'ab'"},
      {"SHORT_BINUNICODE", "\x8C\2ab.", "'ab'"},
      {"BINUNICODE8", "\x8D\2\0\0\0\0\0\0\0ab."s, "'ab'"},
      {"BINBYTES", "B\2\0\0\0ab."s, "b'ab'"},
      {"SHORT_BINBYTES", "C\2ab.", "b'ab'"},
      {"BINBYTES8", "\x8E\2\0\0\0\0\0\0\0ab."s, "b'ab'"},
      {"BYTEARRAY8", "\x96\2\0\0\0\0\0\0\0ab."s, "b'ab'"},
      {"tuples", ")NN\x86N\x85NNN\x87\x87.", "((None None) (None) (None None None))"},
      {"list", "(NNl.", "[None None]"},
      {"dict", "(K\1Nd.", "{1 None}"},
      {"appends", "](K\1K\2eK\3a.", "[1 2 3]"},
      {"set items", "}K\1K\2s(K\3K\4u.", "{1 2 3 4}"},
      {"sets", "\x8F(K\1K\2\x90(K\3\x91\x86.", "(<1 2> <3>)"},
      {"pop, dup", "K\1K\0020(K\0031\x32\x86.", "(1 1)"},
      {"pop of a mark", "K\1(0.", "1"},
      {"memo", "K\1q\1h\1\x86r\2\0\0\0j\2\0\0\0\x86."s, "((1 1) (1 1))"},
      {"text memo", "K\1p2\ng2\n\x86.", "(1 1)"},
      {"memoize", "\x80\4K\1\x94K\2\x94h\1h\0\x87."s, "(2 2 1)"},
      {"frame", "\x80\5\x95\2\0\0\0\0\0\0\0K\1."s, "1"},
      {"global", "cmod\nName\n.", "mod.Name"},
      {"stack global", "\x8C\3mod\x8C\4Name\x93.", "mod.Name"},
      {"reduce", "cmod\nName\nK\1\x85R.", "mod.Name(1)"},
      {"new object", "cmod\nName\n)\x81.", "mod.Name()"},
      {"new object with keywords", "cmod\nName\n)}\x92.", "mod.Name()"},
      {"build", "cmod\nName\n)\x81}K\1K\2sb.", "mod.Name()|{1 2}"},
      {"inst", "(K\1imod\nName\n.", "mod.Name(1)"},
      {"obj", "(cmod\nName\nK\1o.", "mod.Name(1)"},
      {"items of an object", "cmod\nName\n)R(K\1K\2u.", "mod.Name()+{1 2}"},
      {"list of an object", "cmod\nName\n)R(K\1K\2e.", "mod.Name()+[1 2]"},
      {"persistent id", "K\1\x85Q.", "@((1))"},
      {"text persistent id", "P1\n.", "@('1')"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(value(c.bytes), c.value);
  }
}

TEST(PickleReader, MakesPlainData) {
  EXPECT_EQ(value("ccollections\nOrderedDict\n)R(K\1K\2u}b."), "{1 2}");
  EXPECT_EQ(value("ccollections\nOrderedDict\n]]K\1aK\2aa\x85R."), "{1 2}");
  EXPECT_EQ(value("ccollections\ndefaultdict\nc__builtin__\nint\n\x85R."), "{}");
  EXPECT_EQ(value("c__builtin__\nset\n]K\1a\x85R."), "<1>");
  EXPECT_EQ(value("ctorch\nSize\nK\1K\2\x86\x85R."), "(1 2)");
  EXPECT_EQ(value("c_codecs\nencode\nX\2\0\0\0\xC3\xA9X\6\0\0\0latin1\x86R."s), "b'\xE9'");
  EXPECT_EQ(value("c_codecs\nencode\nX\3\0\0\0\xE2\x82\xACX\6\0\0\0latin1\x86R."s),
            "_codecs.encode('\xE2\x82\xAC' 'latin1')");
}

TEST(PickleReader, EndsBehindStop) {
  const Read read("K\1.rest");
  EXPECT_EQ(read.pickle.size_bytes(), 3u);
}

TEST(PickleReader, ReportsWhatIsMalformed) {
  struct Case {
    const char* name;
    std::string bytes;
    const char* message;
  };
  const Case cases[] = {
      {"empty", "", "without a STOP"},
      {"no stop", "N", "without a STOP"},
      {"stop on nothing", ".", "more than is on the stack"},
      {"reduce on nothing", "R.", "more than is on the stack"},
      {"tuple reaches below a mark", "N(NN\x87.", "more than is on the stack"},
      {"no mark", "Nt.", "lacks its MARK"},
      {"set items without a mark", "}u.", "lacks its MARK"},
      {"key without value", "}(Nu.", "has no value"},
      {"dict of three", "(NNNd.", "has no value"},
      {"unknown opcode", "\xFF.", "0xff at 0"},
      {"protocol", "\x80\6N.", "protocol 6"},
      {"long string", "X\xFF\xFF\xFF\xFFN.", "without a STOP"},
      {"very long string", "\x8D\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFN.", "without a STOP"},
      {"very long bytes", "\x8E\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7FN.", "without a STOP"},
      {"long long", "\x8B\xFF\xFF\xFF\x7F.", "without a STOP"},
      {"frame", "\x95\xFF\0\0\0\0\0\0\0N."s, "a frame of 255"},
      {"memo", "h\0."s, "memo entry 0 is used"},
      {"sparse memo", "Nr\xFF\xFF\xFF\xFF.", "memo entry 4,294,967,295"},
      {"text memo", "Np-1\n.", "no number"},
      {"number", "I1x\n.", "'1x'"},
      {"line", "I1", "without a STOP"},
      {"string", "S'a\n.", "malformed"},
      {"escape", "V\\u12\n.", "malformed"},
      {"buffers", "\x97.", "outside"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Read read(c.bytes);
    EXPECT_NE(read.problem().find(c.message), std::string::npos) << read.problem();
  }
}

// T25: what doubles at each step is stored once.
TEST(PickleReader, SurvivesBombs) {
  std::string doubling = "]";
  for (char i = 0; i < 100; ++i) doubling += "q"s + i + "]h"s + i + "ah"s + i + "a";
  EXPECT_EQ(Read(doubling + ".").problem(), "none");

  const Read deep(std::string(1'000'000, '(') + "N" + std::string(1'000'000, 't') + ".");
  EXPECT_EQ(deep.problem(), "none");
  EXPECT_EQ(Read("]q\0h\0a."s).problem(), "none");  // a list that holds itself

  const Read many(std::string(4'000'000, ']') + ".");
  EXPECT_NE(many.problem().find("takes more than"), std::string::npos) << many.problem();

  // One text, decoded again and again.
  std::string text = "X"s + "\x40\x0D\x03\0"s + std::string(200'000, 'x') + "q\0000"s;
  text += "c_codecs\nencode\nq\1";
  text += "X\6\0\0\0latin1q\2"s;
  for (int i = 0; i < 1000; ++i) text += "h\1h\0h\2\x86R"s;
  EXPECT_NE(Read(text + ".").problem().find("takes more than"), std::string::npos);

  std::string globals;
  for (int i = 0; i < 1001; ++i) globals += "cm\nn" + std::to_string(i) + "\n";
  EXPECT_NE(Read(globals + ".").problem().find("more than 1,000 classes"), std::string::npos);
}

// T25
TEST(PickleReader, LimitsInstructions) {
  const std::string bytes = "N0N0N0N.";
  PickleLimits limits;
  limits.opcodes = 8;
  EXPECT_TRUE(Pickle::read(std::as_bytes(std::span(bytes)), limits).status().has_value());
  limits.opcodes = 7;
  EXPECT_FALSE(Pickle::read(std::as_bytes(std::span(bytes)), limits).status().has_value());
}

TEST(PickleReader, EveryTruncationAndEveryFlippedByteIsSurvived) {
  PickleBuilder builder;
  builder.ordered_dict().mark();
  builder.string("w").tensor("Float", "0", 6, 0, {2, 3}, {3, 1});
  builder.string("e").raw("F1.5\nVx\\u0041\nI01\n\x87");
  const std::string good = builder.raw("u").bytes();
  ASSERT_EQ(Read(good).problem(), "none");
  test::for_each_truncation(good, [](const std::string& front) {
    EXPECT_NE(Read(front).problem(), "none") << front.size();
  });
  constexpr uint8_t kMasks[] = {0x01, 0x80, 0xFF};
  test::for_each_flipped_byte(good, kMasks, [](const std::string& bytes, size_t) {
    const Read read(bytes);
    if (read.pickle.status()) text_of(read.pickle, read.pickle.root());
  });
}

}  // namespace
}  // namespace stkit
