#include "feed-id.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

namespace afterimage {
namespace {

constexpr size_t kHandleBytesMax = 128;  // MAX_HANDLE_SZ

/** A `file_handle` with room for the longest. */
struct HandleRoom {
  alignas(struct file_handle) char bytes[sizeof(struct file_handle) + kHandleBytesMax];

  struct file_handle* get() { return reinterpret_cast<struct file_handle*>(bytes); }
};

}  // namespace

size_t FeedIdBytes(std::string_view record) {
  unsigned handle = 0;
  const size_t head = kFeedSystemBytes + sizeof(struct file_handle);
  if (record.size() < head) return 0;
  std::memcpy(&handle, record.data() + kFeedSystemBytes, sizeof handle);
  if (handle > kHandleBytesMax || handle > record.size() - head) return 0;
  return head + handle;
}

std::string SystemOf(const struct statfs& status) {
  static_assert(sizeof status.f_fsid == kFeedSystemBytes);
  return std::string(reinterpret_cast<const char*>(&status.f_fsid), kFeedSystemBytes);
}

int OpenById(int mount, std::string_view id, int flags) {
  HandleRoom room;
  const std::string_view handle = id.substr(kFeedSystemBytes);
  std::memcpy(room.bytes, handle.data(), handle.size());
  return open_by_handle_at(mount, room.get(), flags | O_CLOEXEC);
}

std::string IdOf(int folder, const char* name, int flags, std::string_view system) {
  HandleRoom room;
  room.get()->handle_bytes = kHandleBytesMax;
  int mount = 0;
  if (name_to_handle_at(folder, name, room.get(), &mount, flags) != 0) return std::string();
  const size_t bytes = sizeof(struct file_handle) + room.get()->handle_bytes;
  return std::string(system).append(room.bytes, bytes);
}

bool IsNamed(int folder, const char* name, int flags, std::string_view id) {
  HandleRoom room;
  room.get()->handle_bytes = kHandleBytesMax;
  int mount = 0;
  if (name_to_handle_at(folder, name, room.get(), &mount, flags) != 0) return false;
  const size_t bytes = sizeof(struct file_handle) + room.get()->handle_bytes;
  return id.substr(kFeedSystemBytes) == std::string_view(room.bytes, bytes);
}

}  // namespace afterimage
