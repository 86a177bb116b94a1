// The packed form of a file's status, shared by lstat, fstat and the folder scan. Its twin in
// TypeScript is shared/posix/scan-record.ts; a change of layout changes kLayoutVersion in both.
#pragma once

#include <napi.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>

namespace afterimage {

constexpr uint32_t kLayoutVersion = 3;

/**
 * Little-endian: mode u32 @0, nlink u32 @4, uid u32 @8, gid u32 @12, rdev u64 @16, dev u64 @24,
 * ino u64 @32, size u64 @40, blocks u64 @48, mtime i64 @56, ctime i64 @64, btime i64 @72 (ns).
 */
constexpr size_t kStatusBytes = 80;

constexpr unsigned kStatxMask = STATX_BASIC_STATS | STATX_BTIME;

/** Everything, or what fingerprints a folder: without blocks and the link count of folders. */
enum class Fields { kAll, kFingerprint };

void PackStatus(const struct statx& status, Fields fields, uint8_t* out);

Napi::Value Lstat(const Napi::CallbackInfo& info);
Napi::Value Fstat(const Napi::CallbackInfo& info);

}  // namespace afterimage
