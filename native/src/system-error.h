// Failed system calls as JavaScript errors that look like Node's own: code, errno, syscall, path.
#pragma once

#include <napi.h>

#include <string>

namespace afterimage {

/** The error for `error` (a positive errno). An empty path leaves the property out, as Node does. */
Napi::Error SystemError(Napi::Env env, int error, const char* syscall,
                        const std::string& path = std::string());

}  // namespace afterimage
