#include "vector-seal.h"

#include <cstring>

#include "seal-arguments.h"

#ifdef AFTERIMAGE_IPSEC_MB
#include "ipsec-mb.h"
#endif

namespace afterimage {
namespace {

/** The operating system keeps the wide registers too: the compiler's library asks for both. */
bool ProcessorHasIt() {
#ifdef __x86_64__
  __builtin_cpu_init();
  return __builtin_cpu_supports("vaes") && __builtin_cpu_supports("vpclmulqdq") &&
         __builtin_cpu_supports("gfni") && __builtin_cpu_supports("bmi2") &&
         __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") &&
         __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512ifma");
#else
  return false;
#endif
}

VectorSeal Look() {
  if (!ProcessorHasIt()) return VectorSeal::kNotThisProcessor;
#ifdef AFTERIMAGE_IPSEC_MB
  return VectorSeal::kThere;
#else
  return VectorSeal::kNotBuilt;
#endif
}

}  // namespace

VectorSeal VectorSealState() {
  static const VectorSeal state = Look();
  return state;
}

const char* NameOf(VectorSeal state) {
  switch (state) {
    case VectorSeal::kThere:
      return "there";
    case VectorSeal::kNotBuilt:
      return "not-built";
    default:
      return "not-this-processor";
  }
}

#ifdef AFTERIMAGE_IPSEC_MB

const char* LinkedLibrary() { return "libipsec-mb " IMB_VERSION_STR; }

namespace {

/**
 * The schedule of a key for one message. It takes a tenth of a microsecond to make, so none is kept: a
 * key lies nowhere but where its owner holds it.
 */
class Schedule {
 public:
  explicit Schedule(const uint8_t* key) {
    aes_keyexp_256_enc_avx512(key, data_.expanded_keys);
    aes_gcm_precomp_256_vaes_avx512(&data_);
  }
  ~Schedule() {
    explicit_bzero(&data_, sizeof data_);
    explicit_bzero(&context_, sizeof context_);
  }
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  const gcm_key_data* data() const { return &data_; }
  gcm_context_data* context() { return &context_; }

 private:
  gcm_key_data data_;
  gcm_context_data context_;
};

/** Takes as long wherever they differ. */
bool AreEqualTags(const uint8_t* one, const uint8_t* other) {
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < kTagBytes; i += 1) difference = difference | (one[i] ^ other[i]);
  return difference == 0;
}

}  // namespace

Napi::Value SealVector(const Napi::CallbackInfo& info) {
  const Sealing it = SealingOf(info);
  Schedule schedule(it.key);
  aes_gcm_enc_256_vaes_avx512(schedule.data(), schedule.context(), it.sealed, it.body.data,
                              it.body.size, it.nonce, it.header.data, it.header.size, it.tag,
                              kTagBytes);
  return info.Env().Undefined();
}

Napi::Value OpenVector(const Napi::CallbackInfo& info) {
  const Opening it = OpeningOf(info);
  Schedule schedule(it.key);
  uint8_t tag[kTagBytes] = {};
  aes_gcm_dec_256_vaes_avx512(schedule.data(), schedule.context(), it.out, it.sealed.data,
                              it.sealed.size, it.nonce, it.header.data, it.header.size, tag,
                              kTagBytes);
  const bool is_right = AreEqualTags(tag, it.tag);
  explicit_bzero(tag, sizeof tag);
  return Napi::Boolean::New(info.Env(), is_right);
}

#else

const char* LinkedLibrary() { return ""; }

Napi::Value SealVector(const Napi::CallbackInfo& info) {
  throw Napi::Error::New(info.Env(), "sealing by vectors is not built");
}

Napi::Value OpenVector(const Napi::CallbackInfo& info) { return SealVector(info); }

#endif

}  // namespace afterimage
