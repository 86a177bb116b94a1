#!/usr/bin/env node
/** The `afterimage` command. What needs little memory says so before anything else is loaded. */
import { keepHeapLean } from '../agent/lean-heap.js';

if (process.argv.includes('agent')) keepHeapLean();
const [{ runCommandLine }, { processIo }] = await Promise.all([
  import('./program.js'),
  import('./io.js'),
]);
process.exitCode = await runCommandLine(process.argv.slice(2), processIo());
