#include "gguf_export/tokenizer/sentencepiece.h"

#include "base/byte_reader.h"
#include "base/function_ref.h"

namespace stkit::gguf_export {
namespace {

// A field of a message: a key (number << 3 | wire type), then a varint, 8 bytes, a length with as
// many bytes, or 4 bytes.
enum class Wire : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

struct Field {
  uint64_t number = 0;
  uint64_t varint = 0;
  float fixed32 = 0;
  std::span<const std::byte> bytes = {};
};

constexpr std::string_view kWhat = "SentencePiece model";

std::unexpected<Error> corrupt(std::string_view why) {
  return fail(ErrorCode::Corrupt, std::string(kWhat) + ": " + std::string(why));
}

Result<uint64_t> varint(ByteReader& in) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = in.u8();
    value |= uint64_t{byte & 0x7Fu} << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return corrupt("a number has more than 10 bytes");
}

// Calls `use` for each field of a message, in order.
Result<void> read_message(std::span<const std::byte> message,
                          FunctionRef<Result<void>(const Field&)> use) {
  ByteReader in(message);
  while (in.ok() && in.remaining() > 0) {
    Field field;
    STKIT_ASSIGN(const uint64_t key, varint(in));
    field.number = key >> 3;
    switch (static_cast<Wire>(key & 7)) {
      case Wire::Varint: {
        STKIT_ASSIGN(field.varint, varint(in));
        break;
      }
      case Wire::Fixed64: in.skip(8); break;
      case Wire::Bytes: {
        STKIT_ASSIGN(const uint64_t length, varint(in));
        field.bytes = in.bytes(length);
        break;
      }
      case Wire::Fixed32: field.fixed32 = in.f32(); break;
      default: return corrupt("a field is of no kind that the format has");
    }
    STKIT_TRY(in.status(kWhat));
    STKIT_TRY(use(field));
  }
  return in.status(kWhat);
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<SentencePieceModel::Piece> read_piece(std::span<const std::byte> message) {
  SentencePieceModel::Piece piece;
  STKIT_TRY(read_message(message, [&](const Field& field) -> Result<void> {
    if (field.number == 1) piece.text = text_of(field.bytes);
    if (field.number == 2) piece.score = field.fixed32;
    if (field.number == 3) {
      if (field.varint < 1 || field.varint > 6) return corrupt("a piece is of an unknown type");
      piece.type = static_cast<TokenType>(field.varint);
    }
    return {};
  }));
  return piece;
}

Result<void> read_trainer(std::span<const std::byte> message, SentencePieceModel& out) {
  return read_message(message, [&](const Field& field) -> Result<void> {
    if (field.number != 3) return {};
    if (field.varint < 1 || field.varint > 4) return corrupt("it is of an unknown type");
    out.kind = static_cast<SentencePieceModel::Kind>(field.varint);
    return {};
  });
}

Result<void> read_normalizer(std::span<const std::byte> message, SentencePieceModel& out) {
  return read_message(message, [&](const Field& field) -> Result<void> {
    if (field.number == 2) out.precompiled_charsmap = text_of(field.bytes);
    if (field.number == 3) out.add_dummy_prefix = field.varint != 0;
    if (field.number == 4) out.remove_extra_whitespaces = field.varint != 0;
    return {};
  });
}

}  // namespace

Result<SentencePieceModel> parse_sentencepiece(std::span<const std::byte> bytes) {
  SentencePieceModel model;
  STKIT_TRY(read_message(bytes, [&](const Field& field) -> Result<void> {
    if (field.number == 1) {
      STKIT_ASSIGN(const SentencePieceModel::Piece piece, read_piece(field.bytes));
      model.pieces.push_back(piece);
    }
    if (field.number == 2) return read_trainer(field.bytes, model);
    if (field.number == 3) return read_normalizer(field.bytes, model);
    return {};
  }));
  if (model.pieces.empty()) return corrupt("it has no pieces");
  return model;
}

}  // namespace stkit::gguf_export
