// Checks the arguments of every exported function a second time (TypeScript checks them first), so
// that no call from JavaScript, however wrong, reaches the kernel or memory unchecked.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

namespace afterimage {

/** Bytes of a Buffer or Uint8Array argument; valid while the call runs. */
struct Bytes {
  uint8_t* data;
  size_t size;
};

Bytes BytesAt(const Napi::CallbackInfo& info, size_t index);

/** A path or attribute name as a C string: not empty, no NUL byte. Throws TypeError. */
std::string CStringAt(const Napi::CallbackInfo& info, size_t index);

/** A non-negative descriptor. Throws TypeError. */
int DescriptorAt(const Napi::CallbackInfo& info, size_t index);

uint32_t Uint32At(const Napi::CallbackInfo& info, size_t index);

/** A whole number from 0 to 2^53 - 1. Throws TypeError. */
int64_t CountAt(const Napi::CallbackInfo& info, size_t index);

/** A BigInt that fits 64 bits with sign. Throws TypeError. */
int64_t BigIntAt(const Napi::CallbackInfo& info, size_t index);

}  // namespace afterimage
