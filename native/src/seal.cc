#include "seal.h"

#include <dlfcn.h>

#include "seal-arguments.h"

namespace afterimage {
namespace {

constexpr int kGetTag = 0x10;  // EVP_CTRL_AEAD_GET_TAG
constexpr int kSetTag = 0x11;  // EVP_CTRL_AEAD_SET_TAG

/**
 * OpenSSL's functions, looked up in the running process: linking would tie the addon to one build of
 * Node, and a Node without them would not load it at all. Their types are stable since OpenSSL 1.1.
 */
struct OpenSsl {
  using Context = void;
  using Cipher = void;
  const Cipher* (*aes_256_gcm)();
  Context* (*create)();
  int (*encrypt_init)(Context*, const Cipher*, void*, const uint8_t*, const uint8_t*);
  int (*encrypt_update)(Context*, uint8_t*, int*, const uint8_t*, int);
  int (*encrypt_final)(Context*, uint8_t*, int*);
  int (*decrypt_init)(Context*, const Cipher*, void*, const uint8_t*, const uint8_t*);
  int (*decrypt_update)(Context*, uint8_t*, int*, const uint8_t*, int);
  int (*decrypt_final)(Context*, uint8_t*, int*);
  int (*control)(Context*, int, int, void*);
  bool complete;
};

template <typename Function>
bool Find(const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
  return *function != nullptr;
}

OpenSsl Look() {
  OpenSsl ssl{};
  ssl.complete = Find("EVP_aes_256_gcm", &ssl.aes_256_gcm) &&
                 Find("EVP_CIPHER_CTX_new", &ssl.create) &&
                 Find("EVP_EncryptInit_ex", &ssl.encrypt_init) &&
                 Find("EVP_EncryptUpdate", &ssl.encrypt_update) &&
                 Find("EVP_EncryptFinal_ex", &ssl.encrypt_final) &&
                 Find("EVP_DecryptInit_ex", &ssl.decrypt_init) &&
                 Find("EVP_DecryptUpdate", &ssl.decrypt_update) &&
                 Find("EVP_DecryptFinal_ex", &ssl.decrypt_final) &&
                 Find("EVP_CIPHER_CTX_ctrl", &ssl.control);
  return ssl;
}

const OpenSsl& Ssl() {
  static const OpenSsl ssl = Look();
  return ssl;
}

/** One for each thread and direction, kept: choosing the cipher costs more than a small message. */
OpenSsl::Context* ContextOf(Napi::Env env, bool seals) {
  static thread_local OpenSsl::Context* contexts[2] = {nullptr, nullptr};
  OpenSsl::Context*& context = contexts[seals ? 0 : 1];
  if (context != nullptr) return context;
  const OpenSsl& ssl = Ssl();
  OpenSsl::Context* fresh = ssl.create();
  const auto init = seals ? ssl.encrypt_init : ssl.decrypt_init;
  if (fresh == nullptr || init(fresh, ssl.aes_256_gcm(), nullptr, nullptr, nullptr) != 1) {
    throw Napi::Error::New(env, "OpenSSL offers no AES-256-GCM");
  }
  return context = fresh;
}

void Must(const Napi::CallbackInfo& info, int result) {
  if (result != 1) throw Napi::Error::New(info.Env(), "AES-256-GCM failed");
}

}  // namespace

bool HasSeal() { return Ssl().complete; }

Napi::Value SealGcm(const Napi::CallbackInfo& info) {
  const Sealing it = SealingOf(info);
  const OpenSsl& ssl = Ssl();
  OpenSsl::Context* context = ContextOf(info.Env(), true);
  int done = 0;
  Must(info, ssl.encrypt_init(context, nullptr, nullptr, it.key, it.nonce));
  if (it.header.size > 0) {
    const int size = static_cast<int>(it.header.size);
    Must(info, ssl.encrypt_update(context, nullptr, &done, it.header.data, size));
  }
  // no bytes at all would mean the end to older versions
  if (it.body.size > 0) {
    const int size = static_cast<int>(it.body.size);
    Must(info, ssl.encrypt_update(context, it.sealed, &done, it.body.data, size));
  }
  Must(info, ssl.encrypt_final(context, it.tag, &done));
  Must(info, ssl.control(context, kGetTag, kTagBytes, it.tag));
  return info.Env().Undefined();
}

Napi::Value OpenGcm(const Napi::CallbackInfo& info) {
  const Opening it = OpeningOf(info);
  const OpenSsl& ssl = Ssl();
  OpenSsl::Context* context = ContextOf(info.Env(), false);
  int done = 0;
  Must(info, ssl.decrypt_init(context, nullptr, nullptr, it.key, it.nonce));
  Must(info, ssl.control(context, kSetTag, kTagBytes, const_cast<uint8_t*>(it.tag)));
  if (it.header.size > 0) {
    const int size = static_cast<int>(it.header.size);
    Must(info, ssl.decrypt_update(context, nullptr, &done, it.header.data, size));
  }
  if (it.sealed.size > 0) {
    const int size = static_cast<int>(it.sealed.size);
    Must(info, ssl.decrypt_update(context, it.out, &done, it.sealed.data, size));
  }
  uint8_t* end = it.out + it.sealed.size;
  return Napi::Boolean::New(info.Env(), ssl.decrypt_final(context, end, &done) == 1);
}

}  // namespace afterimage
