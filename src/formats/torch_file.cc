#include "formats/torch_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/finding_log.h"
#include "formats/safetensors_reader.h"
#include "formats/torch_file_reader.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kZipMagic("PK\x03\x04", 4);
// 0x1950A86A20F9469CFC6C as two's complement, little-endian.
constexpr std::string_view kLegacyMagic("\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19", 10);
constexpr int64_t kLegacyVersion = 1001;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Result<TorchFile> TorchFile::read(const RandomAccessFile& file, uint64_t max_pickle_bytes) {
  return TorchFileReader(file, max_pickle_bytes).read();
}

Result<TorchFile> TorchFileReader::read() {
  std::array<std::byte, kForeignHeadBytes> buffer;
  const auto head = std::span(buffer).first(
      static_cast<size_t>(std::min<uint64_t>(file_.size_bytes(), buffer.size())));
  STKIT_TRY(file_.read_at(0, head));
  if (as_text(head).starts_with(kZipMagic)) {
    STKIT_TRY(read_zip());
  } else {
    STKIT_ASSIGN(const bool legacy, read_legacy());
    if (!legacy) report_other_content(head);
  }
  report_globals(torch_.pickle_, file_.label(), torch_.findings_);
  return std::move(torch_);
}

void TorchFileReader::report(Check check, std::string message, std::string hint) {
  torch_.findings_.push_back({.check = check,
                              .path = file_.label(),
                              .message = std::move(message),
                              .hint = std::move(hint)});
}

void TorchFileReader::report_other_content(std::span<const std::byte> head) {
  const ForeignContent content = recognise_foreign(head);
  if (as_text(head).starts_with('\x80'))
    return report(Check::NotPyTorch, "the file is a Python pickle, but not one of torch.save",
                  "name the file with the weights");
  if (as_text(head).substr(0, 262).ends_with("ustar"))
    return report(Check::NotPyTorch, "the file is a tar archive, as PyTorch wrote before 0.2",
                  "load it with an old PyTorch and save it again");
  report(Check::NotPyTorch,
         content.what.empty() ? "the file is neither form of what torch.save writes"
                              : fmt::format("the file is not PyTorch's but {}", content.what),
         content.cure);
}

bool TorchFileReader::take_pickle(Pickle pickle, std::string_view name) {
  torch_.pickle_ = std::move(pickle);
  const Result<void>& status = torch_.pickle_.status();
  if (status) return true;
  const bool limit = status.error().code == ErrorCode::OutOfMemory;
  report(limit ? Check::PickleTooLarge : Check::BadPickle,
         fmt::format("{}: {}", name, status.error().message));
  return false;
}

// --- zip ----------------------------------------------------------------------------------------

Result<void> TorchFileReader::read_zip() {
  STKIT_ASSIGN(ZipDirectory directory, read_zip_directory(file_, max_pickle_bytes_));
  std::ranges::move(directory.findings, std::back_inserter(torch_.findings_));
  if (!torch_.findings_.empty()) return {};
  const ZipEntry* object = nullptr;
  for (const ZipEntry& entry : directory.entries) {
    const size_t slash = entry.name.find('/');
    if (slash == std::string_view::npos || entry.name.substr(slash) != "/data.pkl") continue;
    if (object != nullptr) {
      report(Check::BadZip, fmt::format("the archive holds both {} and {}",
                                        quoted_name(object->name), quoted_name(entry.name)));
      return {};
    }
    object = &entry;
  }
  if (object == nullptr) {
    report(Check::NotPyTorch, fmt::format("none of the {} entries of the zip archive is a data.pkl",
                                          format_grouped(directory.entries.size())));
    return {};
  }
  const std::string root(object->name.substr(0, object->name.find('/') + 1));
  if (directory.find(root + "constants.pkl") != nullptr)
    report(Check::TorchScript, "the file is a TorchScript program (it has a constants.pkl)");
  STKIT_TRY(read_byte_order(directory, root));
  collect_storages(directory, root);
  STKIT_TRY(read_object(*object));
  return {};
}

Result<void> TorchFileReader::read_object(const ZipEntry& entry) {
  if (entry.size_bytes > max_pickle_bytes_) {
    report(Check::PickleTooLarge,
           fmt::format("{} takes {} bytes, the limit is {}", quoted_name(entry.name),
                       format_grouped(entry.size_bytes), format_grouped(max_pickle_bytes_)));
    return {};
  }
  Result<ZipContent> content = read_zip_entry(file_, entry, max_pickle_bytes_);
  if (!content) {
    if (content.error().code != ErrorCode::Corrupt) return fail(content.error());
    report(Check::BadZip, content.error().message);
    return {};
  }
  if (!content->crc_matches)
    report(Check::RecordChecksum, fmt::format("{} has another CRC-32 than the {:#010x} that it "
                                              "should",
                                              quoted_name(entry.name), entry.crc));
  torch_.bytes_ = std::move(content->bytes);
  torch_.header_bytes_ = torch_.bytes_.size();
  Pickle pickle = Pickle::read(torch_.bytes_);
  torch_.has_object_ = take_pickle(std::move(pickle), quoted_name(entry.name));
  if (torch_.has_object_ && torch_.pickle_.size_bytes() < torch_.bytes_.size())
    report(Check::BytesBehindPickle,
           fmt::format("{} bytes follow the end of the pickle in {}",
                       format_grouped(torch_.bytes_.size() - torch_.pickle_.size_bytes()),
                       quoted_name(entry.name)));
  return {};
}

Result<void> TorchFileReader::read_byte_order(const ZipDirectory& directory,
                                              const std::string& root) {
  constexpr uint64_t kLongest = 16;
  const ZipEntry* entry = directory.find(root + "byteorder");
  if (entry == nullptr) return {};
  Result<ZipContent> content = read_zip_entry(file_, *entry, kLongest);
  if (!content && content.error().code != ErrorCode::Corrupt) return fail(content.error());
  const std::string_view order = content ? as_text(content->bytes) : std::string_view();
  torch_.big_endian_ = order == "big";
  if (order != "big" && order != "little")
    report(Check::BadZip,
           fmt::format("{} is neither 'little' nor 'big'", quoted_name(entry->name)));
  return {};
}

void TorchFileReader::collect_storages(const ZipDirectory& directory, const std::string& root) {
  const std::string folder = root + "data/";
  for (const ZipEntry& entry : directory.entries)
    if (entry.name.starts_with(folder))
      torch_.storages_.emplace(entry.name.substr(folder.size()),
                               TorchFile::Storage{entry.data_offset, entry.size_bytes,
                                                  entry.method != ZipMethod::Stored});
}

// --- legacy -------------------------------------------------------------------------------------

// The pickles have no length in front. What ends too early is read again from a larger window.
Result<bool> TorchFileReader::read_legacy() {
  constexpr uint64_t kFirstWindow = uint64_t{1} << 20;
  const uint64_t most = std::min(file_.size_bytes(), max_pickle_bytes_);
  for (uint64_t window = std::min(kFirstWindow, most);; window = std::min(window * 4, most)) {
    torch_.bytes_.resize(static_cast<size_t>(window));
    STKIT_TRY(file_.read_at(0, torch_.bytes_));
    const Legacy found = parse_legacy(window == most);
    if (found == Legacy::NotThis) return false;
    if (found == Legacy::NeedsMore) continue;
    if (found == Legacy::Parsed) STKIT_TRY(place_legacy_storages());
    return true;
  }
}

TorchFileReader::Legacy TorchFileReader::parse_legacy(bool is_last_window) {
  std::span<const std::byte> rest(torch_.bytes_);
  bool ran_out = false;
  const auto next = [&] {
    Pickle pickle = Pickle::read(rest, PickleLimits::for_size(rest.size()));
    ran_out = pickle.ran_out();
    rest = rest.subspan(static_cast<size_t>(pickle.size_bytes()));
    return pickle;
  };
  // Only a file that begins right is taken for one: a magic number of no more than 30 bytes.
  constexpr size_t kMagicBytes = 64;
  const Pickle magic = Pickle::read(rest.first(std::min(rest.size(), kMagicBytes)));
  if (!magic.status() || !magic.is(magic.root(), PickleKind::BigInt) ||
      magic.text(magic.root()) != kLegacyMagic)
    return Legacy::NotThis;
  rest = rest.subspan(static_cast<size_t>(magic.size_bytes()));

  const Pickle version = next();
  const Pickle system = version.status() ? next() : Pickle();
  if (ran_out && !is_last_window) return Legacy::NeedsMore;
  if (!version.status() || !version.is(version.root(), PickleKind::Int) ||
      version.integer(version.root()) != kLegacyVersion || !system.status()) {
    report(Check::BadPickle, "the pickles in front of the object are damaged");
    return Legacy::Broken;
  }
  const auto little = system.find(system.root(), "little_endian");
  torch_.big_endian_ = little && system.is(*little, PickleKind::Bool) && !system.boolean(*little);

  Pickle object = next();
  if (ran_out && !is_last_window) return Legacy::NeedsMore;
  if (!take_pickle(std::move(object), "the object's pickle")) return Legacy::Broken;
  const Pickle keys = next();
  if (ran_out && !is_last_window) return Legacy::NeedsMore;
  if (!keys.status() || !keys.is(keys.root(), PickleKind::List)) {
    report(Check::BadPickle, "the list of storages is damaged");
    return Legacy::Broken;
  }
  torch_.has_object_ = true;
  for (const PickleId key : keys.children(keys.root())) keys_.emplace_back(keys.text(key));
  torch_.header_bytes_ = torch_.bytes_.size() - rest.size();
  return Legacy::Parsed;
}

// How wide the elements of a storage are is known only to who refers to it.
Result<void> TorchFileReader::place_legacy_storages() {
  const Pickle& p = torch_.pickle_;
  std::map<std::string, uint8_t, std::less<>> widths;
  for (PickleId id = 0; id < p.node_count(); ++id) {
    if (!p.is(id, PickleKind::PersistentId)) continue;
    const auto parts = p.children(p.children(id)[0]);
    if (parts.size() < 5 || !p.is(parts[1], PickleKind::Global) ||
        !p.is(parts[2], PickleKind::String))
      continue;
    if (const TorchType* type = find_torch_storage(p.global(parts[1]).name))
      widths.emplace(p.text(parts[2]), type->item_bytes);
  }
  uint64_t offset = torch_.header_bytes_;
  for (const std::string& key : keys_) {
    const auto width = widths.find(key);
    std::array<std::byte, 8> count_bytes;
    const uint64_t left = file_.size_bytes() - offset;
    if (width == widths.end() || left < count_bytes.size()) {
      report(Check::BadStorage,
             width == widths.end()
                 ? fmt::format("storage {} is of no known type", quoted_name(key))
                 : fmt::format("the file ends in front of storage {}", quoted_name(key)));
      return {};
    }
    STKIT_TRY(file_.read_at(offset, count_bytes));
    const uint64_t count = ByteReader(count_bytes).u64();
    offset += count_bytes.size();
    if (count > (left - count_bytes.size()) / width->second) {
      report(Check::BadStorage,
             fmt::format("storage {} takes {} elements of {} bytes, but {} bytes are left",
                         quoted_name(key), format_grouped(count), width->second,
                         format_grouped(left - count_bytes.size())));
      return {};
    }
    const uint64_t bytes = count * width->second;
    torch_.storages_.emplace(key, TorchFile::Storage{offset, bytes, false});
    offset += bytes;
  }
  if (offset < file_.size_bytes())
    report(Check::BytesBehindPickle, fmt::format("{} bytes follow the last storage",
                                                 format_grouped(file_.size_bytes() - offset)));
  return {};
}

// --- what a pickle names ------------------------------------------------------------------------

void report_globals(const Pickle& pickle, const std::string& path, std::vector<Finding>& findings) {
  for (const PickleGlobal& global : pickle.globals()) {
    const std::string name = quoted_name(global.full_name());
    Check check = Check::AllowedGlobal;
    std::string message;
    switch (global.verdict) {
      case GlobalVerdict::Allowed: message = name + " builds plain data"; break;
      case GlobalVerdict::Unknown:
        check = Check::UnknownGlobal;
        message = name + " is no constructor of plain data that is known";
        break;
      case GlobalVerdict::Dangerous:
        check = Check::DangerousGlobal;
        message = name + " is what attacks call; whoever loads this file with Python runs it";
        break;
    }
    findings.push_back({.check = check, .path = path, .message = std::move(message)});
  }
}

}  // namespace stkit
