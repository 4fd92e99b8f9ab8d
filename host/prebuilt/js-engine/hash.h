/* Keccak-256 as Ethereum uses it, SHA-1 and SHA-2. Native, because a Keccak
 * permutation over BigInt costs a script nine million fuel. */
#ifndef ARGUS_HASH_H
#define ARGUS_HASH_H
#include <stddef.h>
#include <stdint.h>
void argus_keccak256(const uint8_t *in, size_t len, uint8_t out[32]);
void argus_sha1(const uint8_t *in, size_t len, uint8_t out[20]);
void argus_sha256(const uint8_t *in, size_t len, uint8_t out[32]);
void argus_sha384(const uint8_t *in, size_t len, uint8_t out[48]);
void argus_sha512(const uint8_t *in, size_t len, uint8_t out[64]);
#endif
