// What the restore side writes besides content: extended attributes, times, modes, special nodes.
#pragma once

#include <napi.h>

namespace afterimage {

/** getXattrs(path): [name, value, name, value …] as Buffers; empty where unsupported. */
Napi::Value GetXattrs(const Napi::CallbackInfo& info);
/** setXattr(path, name, value) */
Napi::Value SetXattr(const Napi::CallbackInfo& info);
/** removeXattr(path, name) */
Napi::Value RemoveXattr(const Napi::CallbackInfo& info);
/** setMtime(path, ns: bigint) */
Napi::Value SetMtime(const Napi::CallbackInfo& info);
/** mknod(path, mode, rdev) */
Napi::Value Mknod(const Napi::CallbackInfo& info);

}  // namespace afterimage
