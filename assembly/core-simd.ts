/** The core for engines with 128-bit SIMD. */
export * from './core';
