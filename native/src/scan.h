// A whole folder with the status of every entry in one call: what the agent runs at every sync.
#pragma once

#include <napi.h>

namespace afterimage {

/**
 * scanFolder(path, all: boolean): Buffer of records sorted by name: a packed status (see
 * status.h), the name's length as u32, the name.
 */
Napi::Value ScanFolder(const Napi::CallbackInfo& info);

}  // namespace afterimage
