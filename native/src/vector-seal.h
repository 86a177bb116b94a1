// AES-256-GCM by the processor's vector AES (VAES, VPCLMULQDQ, AVX-512), a third of the time that the
// OpenSSL of Node 20 takes. Optional: it is there where libipsec-mb was when the addon was built.
#pragma once

#include <napi.h>

namespace afterimage {

enum class VectorSeal { kThere, kNotBuilt, kNotThisProcessor };

VectorSeal VectorSealState();

/** As shared/seal/gcm.ts knows it. */
const char* NameOf(VectorSeal state);

/** What does it, with its version; empty where it is not built. */
const char* LinkedLibrary();

/** As SealGcm of seal.h; offered where the state is kThere. */
Napi::Value SealVector(const Napi::CallbackInfo& info);

/** As OpenGcm of seal.h. */
Napi::Value OpenVector(const Napi::CallbackInfo& info);

}  // namespace afterimage
