// Who else may write to a file while it is read.
#pragma once

#include <napi.h>

namespace afterimage {

/**
 * flushWriters(fd): 0 when nobody has the file open for writing. Else what they dirtied is written
 * back, so that the next store through a mapping moves ctime: 1; or 2 on a file system that keeps
 * no time of such stores. `fd` must be open for reading only.
 */
Napi::Value FlushWriters(const Napi::CallbackInfo& info);

/** The same for C++: false where it fails, or where stores leave no trace. */
bool FlushOtherWriters(int fd);

}  // namespace afterimage
