/** A process that makes files as fast as it can while it renames and moves the folders above them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const program = `
import os, random, sys
top, seed, creates = os.fsencode(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
os.chdir(top)
parents = [b'p%d' % n for n in range(40)]
for p in parents: os.makedirs(os.path.join(p, b'in', b'deep'))
moves = 0
for n in range(creates):
    p = rng.choice(parents)
    path = os.path.join(p, b'in', b'deep' if n % 2 else b'', b'f%d' % n)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    if n % 500 == 499:
        i = rng.randrange(len(parents))
        new = b'q%d' % moves
        moves += 1
        os.rename(parents[i], new)
        parents[i] = new
    if n % 1700 == 1699:
        i, j = rng.sample(range(len(parents)), 2)
        new = os.path.join(parents[j], b'in', b'moved%d' % moves)
        moves += 1
        os.rename(parents[i], new)
        parents[i] = b'r%d' % moves
        os.makedirs(os.path.join(parents[i], b'in', b'deep'))
`;

/** Resolves when it has ended. */
export async function storm(
  folder: string,
  { seed, creates }: { readonly seed: number; readonly creates: number },
): Promise<void> {
  const child = spawn('python3', ['-c', program, folder, String(seed), String(creates)], {
    stdio: 'inherit',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the storm ended with ${String(code)}`);
}
