// What sealing and opening are called with, checked, whoever does it.
#pragma once

#include <napi.h>

#include "arguments.h"

namespace afterimage {

constexpr size_t kKeyBytes = 32;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;

/** (key, nonce, body, message, headerBytes): message = header already there | sealed body | tag. */
struct Sealing {
  const uint8_t* key;
  const uint8_t* nonce;
  Bytes header;
  Bytes body;
  /** As long as the body. */
  uint8_t* sealed;
  uint8_t* tag;
};

/** (key, nonce, header, sealed, tag, out): `out` may be `sealed`. */
struct Opening {
  const uint8_t* key;
  const uint8_t* nonce;
  Bytes header;
  Bytes sealed;
  const uint8_t* tag;
  /** As long as `sealed`. */
  uint8_t* out;
};

/** Lengths fit an int. Throws TypeError where sizes do not fit each other. */
Sealing SealingOf(const Napi::CallbackInfo& info);

Opening OpeningOf(const Napi::CallbackInfo& info);

}  // namespace afterimage
