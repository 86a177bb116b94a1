#include "seal.h"

#include <dlfcn.h>

#include <climits>

#include "arguments.h"

namespace afterimage {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
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

Bytes Sized(const Napi::CallbackInfo& info, size_t index, size_t size) {
  const Bytes bytes = BytesAt(info, index);
  if (bytes.size != size) {
    throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(index) + " must have " +
                                               std::to_string(size) + " bytes");
  }
  return bytes;
}

void Must(const Napi::CallbackInfo& info, int result) {
  if (result != 1) throw Napi::Error::New(info.Env(), "AES-256-GCM failed");
}

}  // namespace

bool HasSeal() { return Ssl().complete; }

Napi::Value SealGcm(const Napi::CallbackInfo& info) {
  const Bytes key = Sized(info, 0, kKeyBytes);
  const Bytes nonce = Sized(info, 1, kNonceBytes);
  const Bytes body = BytesAt(info, 2);
  const size_t header = Uint32At(info, 4);
  if (body.size > INT_MAX || header > INT_MAX) Must(info, 0);
  const Bytes message = Sized(info, 3, header + body.size + kTagBytes);
  uint8_t* out = message.data + header;
  const OpenSsl& ssl = Ssl();
  OpenSsl::Context* context = ContextOf(info.Env(), true);
  int done = 0;
  Must(info, ssl.encrypt_init(context, nullptr, nullptr, key.data, nonce.data));
  if (header > 0) {
    Must(info,
         ssl.encrypt_update(context, nullptr, &done, message.data, static_cast<int>(header)));
  }
  // no bytes at all would mean the end to older versions
  if (body.size > 0) {
    Must(info, ssl.encrypt_update(context, out, &done, body.data, static_cast<int>(body.size)));
  }
  Must(info, ssl.encrypt_final(context, out + body.size, &done));
  Must(info, ssl.control(context, kGetTag, kTagBytes, out + body.size));
  return info.Env().Undefined();
}

Napi::Value OpenGcm(const Napi::CallbackInfo& info) {
  const Bytes key = Sized(info, 0, kKeyBytes);
  const Bytes nonce = Sized(info, 1, kNonceBytes);
  const Bytes header = BytesAt(info, 2);
  const Bytes sealed = BytesAt(info, 3);
  const Bytes tag = Sized(info, 4, kTagBytes);
  const Bytes out = Sized(info, 5, sealed.size);
  if (sealed.size > INT_MAX || header.size > INT_MAX) Must(info, 0);
  const OpenSsl& ssl = Ssl();
  OpenSsl::Context* context = ContextOf(info.Env(), false);
  int done = 0;
  Must(info, ssl.decrypt_init(context, nullptr, nullptr, key.data, nonce.data));
  Must(info, ssl.control(context, kSetTag, kTagBytes, tag.data));
  if (header.size > 0) {
    Must(info, ssl.decrypt_update(context, nullptr, &done, header.data,
                                  static_cast<int>(header.size)));
  }
  if (sealed.size > 0) {
    Must(info, ssl.decrypt_update(context, out.data, &done, sealed.data,
                                  static_cast<int>(sealed.size)));
  }
  uint8_t* end = out.data + out.size;
  return Napi::Boolean::New(info.Env(), ssl.decrypt_final(context, end, &done) == 1);
}

}  // namespace afterimage
