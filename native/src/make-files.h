// Makes many small files in one call: a restore makes millions.
#pragma once

#include <napi.h>

namespace afterimage {

/**
 * makeFiles(folder, records, content): Int32Array of the bytes written, then index, errno, call for
 * each file that failed, of which nothing stays. A record: length of the name, mode, uid, gid (u32), seconds (i64),
 * nanoseconds, offset and length in `content` (u32), all little-endian; then the name. An owner of all
 * ones is left as it is. Pages of zeros become holes.
 */
Napi::Value MakeFiles(const Napi::CallbackInfo& info);

}  // namespace afterimage
