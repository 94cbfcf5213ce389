#include "io/os_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

namespace stkit {
namespace {

struct Row {
  int number;
  ErrorCode read_code;
  ErrorCode write_code;
  std::string_view cause;
  std::string_view read_hint;
  std::string_view write_hint;
};

using enum ErrorCode;

constexpr std::string_view kRaiseLimit = "raise the limit with: ulimit -n 4096";
constexpr std::string_view kCheckDisk =
    "the disk or the connection to it may be failing; see dmesg";
constexpr std::string_view kFreeSpace = "free some space or choose another folder for the output";

constexpr Row kRows[] = {
    {ENOENT, NotFound, WriteFailed, "no such file or folder", "", "create the folder first"},
    {ENOTDIR, NotFound, WriteFailed, "a part of its path is not a folder", "", ""},
    {ENAMETOOLONG, NotFound, WriteFailed, "the name is too long for the filesystem", "", ""},
    {ELOOP, NotFound, WriteFailed, "its symbolic links form a loop", "", ""},
    {EACCES, AccessDenied, WriteFailed, "permission denied",
     "check the permissions of the file and of the folders above it",
     "check the permissions of the folder"},
    {EPERM, AccessDenied, WriteFailed, "operation not permitted",
     "check the permissions of the file and of the folders above it",
     "check the permissions and attributes of the file and the folder"},
    {EROFS, ReadFailed, WriteFailed, "the filesystem is read-only", "",
     "choose another folder for the output"},
    {EMFILE, ReadFailed, WriteFailed, "this process has too many open files", kRaiseLimit,
     kRaiseLimit},
    {ENFILE, ReadFailed, WriteFailed, "the system has too many open files", "", ""},
    {EIO, ReadFailed, WriteFailed, "input/output error", kCheckDisk, kCheckDisk},
    {ESTALE, InputChanged, WriteFailed, "the file server no longer knows the file", "", ""},
    {ENOMEM, OutOfMemory, OutOfMemory, "the system has no memory left", "", ""},
    {ENOSPC, ReadFailed, NoSpace, "no space left on the filesystem", "", kFreeSpace},
    {EDQUOT, ReadFailed, NoSpace, "the disk quota is used up", "", kFreeSpace},
    {EFBIG, ReadFailed, WriteFailed, "the file is larger than the filesystem or a limit allows", "",
     "check ulimit -f, or choose another filesystem for the output"},
    {EEXIST, ReadFailed, WriteFailed, "the name is taken", "", ""},
    {EBUSY, ReadFailed, WriteFailed, "the file or device is busy", "", ""},
    {ETXTBSY, ReadFailed, WriteFailed, "the file is a running program", "", ""},
    {ETIMEDOUT, ReadFailed, WriteFailed, "the file server does not answer", "", ""},
    {ENXIO, ReadFailed, WriteFailed, "no such device", "", ""},
    {ENODEV, ReadFailed, WriteFailed, "no such device", "", ""},
    {EINVAL, ReadFailed, WriteFailed, "the filesystem refuses the request", "", ""},
    {EISDIR, Unsupported, WriteFailed, "it is a folder", "", ""},
};

const Row* find_row(int number) {
  for (const Row& row : kRows)
    if (row.number == number) return &row;
  return nullptr;
}

}  // namespace

std::string cause_of(int number) {
  if (const Row* row = find_row(number)) return std::string(row->cause);
  return fmt::format("error {} of the operating system", number);
}

Error read_error(int number, std::string path, std::string_view action) {
  const Row* row = find_row(number);
  return {row != nullptr ? row->read_code : ReadFailed,
          fmt::format("{}: {}", action, cause_of(number)),
          std::string(row != nullptr ? row->read_hint : ""), std::move(path)};
}

Error write_error(int number, std::string path, std::string_view action) {
  const Row* row = find_row(number);
  return {row != nullptr ? row->write_code : WriteFailed,
          fmt::format("{}: {}", action, cause_of(number)),
          std::string(row != nullptr ? row->write_hint : ""), std::move(path)};
}

std::string_view kind_of(mode_t mode) {
  if (S_ISREG(mode)) return "a regular file";
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO (named pipe)";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode)) return "a character device";
  if (S_ISBLK(mode)) return "a block device";
  if (S_ISLNK(mode)) return "a symbolic link";
  return "no regular file";
}

}  // namespace stkit
