#include "seal-arguments.h"

#include <climits>

namespace afterimage {
namespace {

Bytes Sized(const Napi::CallbackInfo& info, size_t index, size_t size) {
  const Bytes bytes = BytesAt(info, index);
  if (bytes.size != size) {
    throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(index) + " must have " +
                                               std::to_string(size) + " bytes");
  }
  return bytes;
}

void MustFitAnInt(const Napi::CallbackInfo& info, size_t size) {
  if (size > INT_MAX) throw Napi::RangeError::New(info.Env(), "more bytes than can be sealed");
}

}  // namespace

Sealing SealingOf(const Napi::CallbackInfo& info) {
  const Bytes key = Sized(info, 0, kKeyBytes);
  const Bytes nonce = Sized(info, 1, kNonceBytes);
  const Bytes body = BytesAt(info, 2);
  const size_t header = Uint32At(info, 4);
  MustFitAnInt(info, body.size);
  MustFitAnInt(info, header);
  const Bytes message = Sized(info, 3, header + body.size + kTagBytes);
  uint8_t* sealed = message.data + header;
  return {key.data, nonce.data, {message.data, header}, body, sealed, sealed + body.size};
}

Opening OpeningOf(const Napi::CallbackInfo& info) {
  const Bytes key = Sized(info, 0, kKeyBytes);
  const Bytes nonce = Sized(info, 1, kNonceBytes);
  const Bytes header = BytesAt(info, 2);
  const Bytes sealed = BytesAt(info, 3);
  const Bytes tag = Sized(info, 4, kTagBytes);
  const Bytes out = Sized(info, 5, sealed.size);
  MustFitAnInt(info, sealed.size);
  MustFitAnInt(info, header.size);
  return {key.data, nonce.data, header, sealed, tag.data, out.data};
}

}  // namespace afterimage
