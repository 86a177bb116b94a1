#include "arguments.h"

#include <cmath>
#include <cstring>

namespace afterimage {
namespace {

[[noreturn]] void Refuse(const Napi::CallbackInfo& info, size_t index, const char* expected) {
  throw Napi::TypeError::New(info.Env(),
                             "argument " + std::to_string(index) + " must be " + expected);
}

double NumberAt(const Napi::CallbackInfo& info, size_t index, double max, const char* expected) {
  if (!info[index].IsNumber()) Refuse(info, index, expected);
  const double value = info[index].As<Napi::Number>().DoubleValue();
  if (!(value >= 0 && value <= max) || std::floor(value) != value) Refuse(info, index, expected);
  return value;
}

}  // namespace

Bytes BytesAt(const Napi::CallbackInfo& info, size_t index) {
  const Napi::Value value = info[index];
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Refuse(info, index, "a Buffer");
  }
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

std::string CStringAt(const Napi::CallbackInfo& info, size_t index) {
  const Bytes bytes = BytesAt(info, index);
  if (bytes.size == 0 || std::memchr(bytes.data, 0, bytes.size) != nullptr) {
    Refuse(info, index, "neither empty nor hold a NUL byte");
  }
  return std::string(reinterpret_cast<const char*>(bytes.data), bytes.size);
}

int DescriptorAt(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<int>(NumberAt(info, index, INT32_MAX, "a descriptor"));
}

uint32_t Uint32At(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<uint32_t>(NumberAt(info, index, UINT32_MAX, "a whole number of 32 bits"));
}

int64_t CountAt(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<int64_t>(NumberAt(info, index, 9007199254740991.0, "a safe whole number"));
}

int64_t BigIntAt(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsBigInt()) Refuse(info, index, "a BigInt");
  bool lossless = false;
  const int64_t value = info[index].As<Napi::BigInt>().Int64Value(&lossless);
  if (!lossless) Refuse(info, index, "a BigInt of 64 bits");
  return value;
}

}  // namespace afterimage
