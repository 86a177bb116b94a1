// Reads many small files of a folder in one call.
#pragma once

#include <napi.h>

namespace afterimage {

/**
 * readSmall(folder, files, room, codes): reads each of `files`, which are packed one after the other
 * as seen by a scan (little-endian: ino u64 @0, mtime i64 @8, ctime i64 @16 (ns), dev u64 @24, size
 * u32 @32, place in room u32 @36, length of name u32 @40, then the name), into `room`. `codes` gets a
 * byte for each: 0 it is to be read by another way, 1 it was read and is of one moment, 2 the same,
 * and it has extended attributes.
 */
Napi::Value ReadSmall(const Napi::CallbackInfo& info);

}  // namespace afterimage
