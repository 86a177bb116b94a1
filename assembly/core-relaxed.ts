/** The core for engines that also have relaxed SIMD. */
export * from './core';
