// What is used of libipsec-mb (Intel, BSD): AES-256-GCM by VAES and AVX-512. These are parts of it, not
// its door: the door brings all its ciphers with it, fifteen megabytes. What they are called may change
// from version to version, so build.js tries whether they link, and they are linked statically: what
// was tried is what runs.
#pragma once

#include <intel-ipsec-mb.h>

extern "C" {

/** From the expanded key, which lies at the beginning, the powers of the hash key. */
void aes_gcm_precomp_256_vaes_avx512(gcm_key_data* key);

void aes_gcm_enc_256_vaes_avx512(const gcm_key_data* key, gcm_context_data* context, uint8_t* out,
                                 const uint8_t* in, uint64_t size, const uint8_t* nonce,
                                 const uint8_t* header, uint64_t header_size, uint8_t* tag,
                                 uint64_t tag_size);

/** Gives the tag that belongs to it, and compares nothing. */
void aes_gcm_dec_256_vaes_avx512(const gcm_key_data* key, gcm_context_data* context, uint8_t* out,
                                 const uint8_t* in, uint64_t size, const uint8_t* nonce,
                                 const uint8_t* header, uint64_t header_size, uint8_t* tag,
                                 uint64_t tag_size);
}
