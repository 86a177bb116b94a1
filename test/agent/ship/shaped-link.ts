/**
 * A link of so many bits a second on this machine: a pair of virtual interfaces, the far one in a
 * network namespace of its own, what goes there shaped. Needs root; leaves nothing behind.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ShapedLink {
  /** Address of the far end. */
  readonly host: string;
  /** A program that runs another one at the far end, with the process id that it gets itself. */
  wrap(program: string, folder: string): string;
  remove(): void;
}

/** The link, or the reason why this machine has none. */
export function openShapedLink(rate: string): ShapedLink | string {
  if (process.getuid?.() !== 0) return 'a network namespace needs root';
  const name = `aft${process.pid}`;
  const near = `${name}a`;
  const far = `${name}b`;
  // 198.18.0.0/15 is for measurements (RFC 2544)
  const net = `198.18.${process.pid % 256}`;
  const remove = (): void => {
    process.off('exit', remove);
    // the pair goes with either end
    for (const command of [`link del ${near}`, `netns del ${name}`]) {
      try {
        run('ip', command);
      } catch {
        // it was not made
      }
    }
  };
  process.on('exit', remove);
  try {
    run('ip', `netns add ${name}`);
    run('ip', `link add ${near} type veth peer name ${far} netns ${name}`);
    run('ip', `addr add ${net}.1/30 dev ${near}`);
    run('ip', `link set ${near} up`);
    run('ip', `-n ${name} addr add ${net}.2/30 dev ${far}`);
    run('ip', `-n ${name} link set ${far} up`);
    run('ip', `-n ${name} link set lo up`);
    run('tc', `qdisc add dev ${near} root tbf rate ${rate} burst 128kb latency 400ms`);
  } catch (error) {
    remove();
    return `no shaped link: ${error instanceof Error ? error.message : String(error)}`;
  }
  return {
    host: `${net}.2`,
    wrap(program, folder) {
      const path = join(folder, 'at-the-far-end');
      writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${name} '${program}' "$@"\n`);
      chmodSync(path, 0o755);
      return path;
    },
    remove,
  };
}

function run(program: string, words: string): void {
  execFileSync(program, words.split(' '), { stdio: ['ignore', 'ignore', 'pipe'] });
}
