// What names a file in the kernel's events: its file system's id, then its handle. A handle holds
// the generation of the inode, so an id never comes to mean another file.
#pragma once

#include <sys/vfs.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace afterimage {

constexpr size_t kFeedSystemBytes = 8;

/** Bytes of the id that `record` begins with; 0 when it holds none. */
size_t FeedIdBytes(std::string_view record);

/** The part that names the file system. */
inline std::string_view SystemOf(std::string_view id) { return id.substr(0, kFeedSystemBytes); }

/** The file system's part, of what fstatfs says. */
std::string SystemOf(const struct statfs& status);

/** A descriptor, or -1 with errno. `mount` is an open file on the mount to look through. */
int OpenById(int mount, std::string_view id, int flags);

/** Whether `name` (below `folder`, or a whole path) is this very file. */
bool IsNamed(int folder, const char* name, int flags, std::string_view id);

/** Id of what `name` is, through the file system with id `system`; empty when it has none. */
std::string IdOf(int folder, const char* name, int flags, std::string_view system);

}  // namespace afterimage
