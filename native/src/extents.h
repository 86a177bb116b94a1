// Where the blocks of files lie (FIEMAP), and where two files that share blocks do not.
#pragma once

#include <napi.h>

namespace afterimage {

/**
 * differences(before, after, size, extentsMax): Promise<Float64Array | undefined>: start, end, start,
 * end … of the stretches of [0, size) that may differ. Undefined: too many extents, or they moved.
 */
Napi::Value Differences(const Napi::CallbackInfo& info);
/** countExtents(fd): number. */
Napi::Value CountExtents(const Napi::CallbackInfo& info);

}  // namespace afterimage
