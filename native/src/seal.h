// AES-256-GCM from buffer to buffer, with the OpenSSL that Node itself runs on.
#pragma once

#include <napi.h>

namespace afterimage {

/** False when this Node does not share its OpenSSL; then neither function is offered. */
bool HasSeal();

/** (key, nonce, body, message, headerBytes): message = header already there | sealed body | tag. */
Napi::Value SealGcm(const Napi::CallbackInfo& info);

/** (key, nonce, header, sealed, tag, out): true when the tag is right; `out` may be `sealed`. */
Napi::Value OpenGcm(const Napi::CallbackInfo& info);

}  // namespace afterimage
