/** The few vector operations that BLAKE3 is made of, in both builds. */
import { ROTATE_MASKS } from './layout';

export const IV0: i32 = 0x6a09e667;
export const IV1: i32 = 0xbb67ae85;
export const IV2: i32 = 0x3c6ef372;
export const IV3: i32 = 0xa54ff53a;

// @ts-ignore: decorator
@inline
export function add(a: v128, b: v128): v128 {
  return i32x4.add(a, b);
}

// @ts-ignore: decorator
@inline
export function xor(a: v128, b: v128): v128 {
  return v128.xor(a, b);
}

// @ts-ignore: decorator
@inline
export function rotate12(x: v128): v128 {
  return v128.or(i32x4.shr_u(x, 12), i32x4.shl(x, 20));
}

// @ts-ignore: decorator
@inline
export function rotate7(x: v128): v128 {
  return v128.or(i32x4.shr_u(x, 7), i32x4.shl(x, 25));
}

/**
 * Rotations by whole bytes are one byte shuffle. Engines that know the relaxed form rebuild a constant
 * mask at each use, so there the mask is loaded from memory once; the others fold the constant.
 */
// @ts-ignore: decorator
@inline
export function rotateBytes(x: v128, mask: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.relaxed_swizzle(x, mask) : i8x16.swizzle(x, mask);
}

// @ts-ignore: decorator
@inline
export function maskOf16(): v128 {
  return ASC_FEATURE_RELAXED_SIMD
    ? v128.load(ROTATE_MASKS)
    : i8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

// @ts-ignore: decorator
@inline
export function maskOf8(): v128 {
  return ASC_FEATURE_RELAXED_SIMD
    ? v128.load(ROTATE_MASKS, 16)
    : i8x16(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
}

/** A chaining value from one place to another; cheaper than a call of memory.copy. */
// @ts-ignore: decorator
@inline
export function copy32(to: usize, from: usize): void {
  const low = v128.load(from);
  const high = v128.load(from, 16);
  v128.store(to, low);
  v128.store(to, high, 16);
}

/** `bytes`, a multiple of 64, to zero. */
// @ts-ignore: decorator
@inline
export function clear(place: usize, bytes: u32): void {
  const zero = i32x4.splat(0);
  for (let p = place; p < place + bytes; p += 64) {
    v128.store(p, zero);
    v128.store(p, zero, 16);
    v128.store(p, zero, 32);
    v128.store(p, zero, 48);
  }
}
