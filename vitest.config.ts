import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/fault/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    // Tests with real processes share a machine that others load: there one may be tried again. By hand
    // none is, and no fault campaign ever is.
    retry: process.env['CI'] === undefined ? 0 : 1,
    reporters: ['default'],
  },
});
