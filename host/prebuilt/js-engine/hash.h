/* Keccak-256 as Ethereum uses it, and SHA-256. Native, because a Keccak
 * permutation over BigInt costs a script nine million fuel. */
#ifndef ARGUS_HASH_H
#define ARGUS_HASH_H
#include <stddef.h>
#include <stdint.h>
void argus_keccak256(const uint8_t *in, size_t len, uint8_t out[32]);
void argus_sha256(const uint8_t *in, size_t len, uint8_t out[32]);
#endif
