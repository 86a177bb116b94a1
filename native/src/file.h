// Calls on open files and for making them: flush, holes, handles, unnamed files.
#pragma once

#include <napi.h>

namespace afterimage {

/** syncfs(fd): Promise<undefined>, in a thread of the pool. */
Napi::Value Syncfs(const Napi::CallbackInfo& info);
/** syncfsSync(fd) */
Napi::Value SyncfsSync(const Napi::CallbackInfo& info);
/** dataRanges(fd, size): Float64Array of start, end, start, end … */
Napi::Value DataRanges(const Napi::CallbackInfo& info);
/** handleOf(path): Buffer (type as i32 little-endian, then the handle) or undefined. */
Napi::Value HandleOf(const Napi::CallbackInfo& info);
/** openTemporary(folder, mode): descriptor or undefined. */
Napi::Value OpenTemporary(const Napi::CallbackInfo& info);
/** linkTemporary(fd, path) */
Napi::Value LinkTemporary(const Napi::CallbackInfo& info);

}  // namespace afterimage
