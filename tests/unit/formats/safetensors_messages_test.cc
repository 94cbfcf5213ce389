#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/model_builder.h"
#include "unit/formats/read_bytes.h"

namespace stkit {
namespace {

using test::read_bytes;
using test::safetensors_bytes;

struct MessageCase {
  std::string name;
  std::string bytes;
  Check check;
  std::string message;
};

std::string tensor(std::string_view name, std::string_view dtype, std::string_view shape,
                   uint64_t begin, uint64_t end) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", name, dtype,
                     shape, begin, end);
}

std::string with_length(uint64_t length, std::string_view rest) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(length >> shift & 0xFF);
  return bytes + std::string(rest);
}

std::vector<MessageCase> message_cases() {
  const std::string data(16, 'x');
  return {
      {"too small", "abc", Check::FileTooSmall,
       "the file holds 3 bytes, fewer than the 8 of a header's length"},
      {"too large", with_length(100'000'001, "{}"), Check::HeaderTooLarge,
       "the header takes 100,000,001 bytes; the limit is 100,000,000"},
      {"header cut", with_length(1000, "{}"), Check::HeaderPastEnd,
       "the header takes 1,000 bytes but only 2 follow its length: 998 bytes are missing, like "
       "those "
       "of an incomplete download"},
      {"not JSON", safetensors_bytes("{} x", ""), Check::HeaderNotJson,
       "the header is not valid JSON: characters behind the value at byte 3"},
      {"not UTF-8", safetensors_bytes("{\"\xFF\":1}", ""), Check::HeaderNotUtf8,
       "the header is not valid JSON: invalid UTF-8 at byte 2"},
      {"negative",
       safetensors_bytes(R"({"t":{"dtype":"U8","shape":[-1],"data_offsets":[0,16]}})", data),
       Check::BadTensorEntry,
       "shape of tensor 't': -1 where a whole number below 2^64 is expected, at byte 28 of the "
       "header"},
      {"missing", safetensors_bytes(R"({"t":{"dtype":"U8","shape":[16]}})", data),
       Check::BadTensorEntry, "the entry of tensor 't' has no data_offsets"},
      // T13
      {"dtype", safetensors_bytes("{" + tensor("t", "I4", "[16]", 0, 16) + "}", data),
       Check::UnknownDType,
       "tensor 't' has dtype 'I4', which is none of BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, "
       "F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, I16, U16, F16, BF16, I32, U32, F32, C64, F64, "
       "I64, U64"},
      // T11
      {"size",
       safetensors_bytes("{" + tensor("embed", "F32", "[151936,896]", 0, 544'440'832) + "}", data),
       Check::SizeMismatch,
       "tensor 'embed' takes 544,538,624 bytes ([151936,896] of F32), but its data_offsets span "
       "544,440,832"},
      {"truncated",
       safetensors_bytes("{" + tensor("a", "U8", "[8]", 0, 8) + "," +
                             tensor("b", "U8", "[1000]", 8, 1008) + "," +
                             tensor("c", "U8", "[1000]", 1008, 2008) + "}",
                         data),
       Check::Truncated,
       "tensor 'b' ends at byte 1,192 but the file holds 200: 1,992 bytes are missing, of 2 "
       "tensors, "
       "like those of an incomplete download"},
      {"overlap",
       safetensors_bytes(
           "{" + tensor("a", "U8", "[10]", 0, 10) + "," + tensor("b", "U8", "[8]", 8, 16) + "}",
           data),
       Check::TensorsOverlap, "tensors 'a' and 'b' share bytes 8 to 10 of the data (2 bytes)"},
      {"empty inside",
       safetensors_bytes(
           "{" + tensor("a", "U8", "[16]", 0, 16) + "," + tensor("z", "U8", "[0]", 8, 8) + "}",
           data),
       Check::TensorsOverlap, "tensor 'z', which is empty, lies at byte 8 inside tensor 'a'"},
      {"hole",
       safetensors_bytes(
           "{" + tensor("a", "U8", "[4]", 0, 4) + "," + tensor("b", "U8", "[8]", 8, 16) + "}",
           data),
       Check::DataHole, "bytes 4 to 8 of the data (4 bytes) in front of tensor 'b' belong to none"},
      // T12
      {"appended zip",
       safetensors_bytes("{" + tensor("a", "U8", "[16]", 0, 16) + "}", data + "PK\x03\x04zip"),
       Check::TrailingBytes,
       "7 bytes follow the last tensor, from byte 80 of the file on; they look like a zip archive, "
       "as "
       "PyTorch writes its .bin and .pt files"},
      {"reversed", safetensors_bytes("{" + tensor("a", "U8", "[16]", 16, 0) + "}", data),
       Check::OffsetsReversed,
       "tensor 'a' begins at byte 16 of the data, behind its end at byte 0"},
      // T10
      {"overflow",
       safetensors_bytes("{" + tensor("a", "U8", "[4294967296,4294967296]", 0, 16) + "}", data),
       Check::ShapeOverflow,
       "tensor 'a': shape [4294967296,4294967296] has more than 2^64 elements"},
      // T16
      {"sub-byte", safetensors_bytes("{" + tensor("a", "F4", "[31]", 0, 16) + "}", data),
       Check::SubByteRemainder,
       "tensor 'a': 31 elements of F4 are not a whole number of blocks of 2"},
      {"duplicate",
       safetensors_bytes(
           "{" + tensor("a", "U8", "[16]", 0, 16) + "," + tensor("a", "U8", "[16]", 0, 16) + "}",
           data),
       Check::DuplicateTensor, "tensor 'a' occurs again in the header"},
      {"metadata", safetensors_bytes(R"({"__metadata__":{"k":1}})", ""), Check::BadMetadata,
       "the value of 'k' in __metadata__ is of type number, not string"},
      {"format tag", safetensors_bytes(R"({"__metadata__":{"format":"np"}})", ""),
       Check::MissingFormatTag,
       "__metadata__ has the format 'np', which is not pt, tf, flax or mlx"},
      {"alignment",
       safetensors_bytes("{" + tensor("a", "U8", "[1]", 0, 1) + "," +
                             tensor("b", "F32", "[3]", 1, 13) + "," +
                             tensor("c", "U8", "[3]", 13, 16) + "}",
                         data),
       Check::UnalignedData,
       "tensor 'b' starts at byte 177, which is not a multiple of its element size"},
      // T15
      {"terminal",
       safetensors_bytes("{" + tensor(R"(\u001b[2J\r\n\u202e)", "U8", "[15]", 0, 16) + "}", data),
       Check::SizeMismatch,
       R"(tensor '\x1b[2J\r\n\u{202e}' takes 15 bytes ([15] of U8), but its data_offsets span 16)"},
  };
}

TEST(SafetensorsMessages, SayWhatIsWrongWithTheNumbers) {
  for (const MessageCase& row : message_cases()) {
    const SafetensorsHeader header = read_bytes(row.bytes);
    bool found = false;
    std::string all;
    for (const Finding& finding : header.findings) {
      found |= finding.check == row.check && finding.message == row.message;
      all += "  " + finding.message + "\n";
    }
    EXPECT_TRUE(found) << row.name << ": wanted\n  " << row.message << "\nof\n" << all;
  }
}

// T15
TEST(SafetensorsMessages, ShortenAMegabyteOfName) {
  const std::string name(1 << 20, 'n');
  const SafetensorsHeader header =
      read_bytes(safetensors_bytes("{" + tensor(name, "U8", "[2]", 0, 1) + "}", "x"));
  ASSERT_FALSE(header.findings.empty());
  EXPECT_LT(header.findings[0].message.size(), 400u);
  EXPECT_EQ(header.findings[0].tensor, name);
}

}  // namespace
}  // namespace stkit
