/** Pre-copy rounds: when the application is held, for what, and what the point may claim (R16). */
import { expect, test } from 'vitest';
import { AfterimageError } from '../../../shared/errors.js';
import { silentLog } from '../../../shared/log.js';
import type { ImageRequest, RoundFound } from '../../../agent/image/image-engine.js';
import { createRoundsEngine } from '../../../agent/image/rounds-engine.js';
import type { QuiesceRecipe, ReleaseOutcome } from '../../../agent/quiesce/recipe.js';

const MIB = 1024 * 1024;
const intact: ReleaseOutcome = { heldMs: 12, intact: true, releasedBy: 'agent', problems: [] };

interface Scene {
  readonly steps: string[];
  readonly request: ImageRequest;
}

function scene(options: {
  readonly rounds?: readonly RoundFound[];
  readonly moved?: readonly string[];
  readonly release?: ReleaseOutcome;
  readonly hold?: QuiesceRecipe['hold'];
  readonly name?: string;
  readonly always?: boolean;
  readonly echo?: boolean;
}): Scene {
  const steps: string[] = [];
  const rounds = [...(options.rounds ?? [{ records: 1, bytes: 10 }])];
  const recipe: QuiesceRecipe = {
    name: options.name ?? 'hooks',
    consistency: 'application',
    hold:
      options.hold ??
      (() => {
        steps.push('hold');
        return Promise.resolve({
          heldSinceMs: 0,
          facts: { version: '3', wal: 7 },
          broken: new AbortController().signal,
          release: () => {
            steps.push('release');
            return Promise.resolve(options.release ?? intact);
          },
        });
      }),
  };
  const request: ImageRequest = {
    place: (files) => {
      steps.push(`place ${files.map(({ name }) => name).join(' ')}`);
      return Promise.resolve();
    },
    readHeldFiles: () => Promise.resolve(),
    look: ({ held }) => {
      steps.push(held ? 'held look' : 'look');
      return Promise.resolve(rounds.shift() ?? { records: 0, bytes: 0 });
    },
    movedWhileHeld: () => options.moved ?? [],
    hold: (held) => void steps.push(held ? 'wire off' : 'wire on'),
    recipe,
    roundsMax: 3,
    always: options.always ?? false,
    isEcho: () => options.echo ?? false,
    clock: { now: () => 5, monotonic: () => 5 },
    log: silentLog,
    signal: new AbortController().signal,
  };
  return { steps, request };
}

const engine = createRoundsEngine();

test('rounds: without a recipe there is one look and a crash-consistent point', async () => {
  const { steps, request } = scene({ name: 'none' });
  expect(await engine.take(request)).toMatchObject({ consistency: 'crash', rounds: 1, heldMs: 0 });
  expect(steps).toEqual(['look']);
});

test('rounds: the application is held around the last look only, and released before the wire', async () => {
  const { steps, request } = scene({});
  const image = await engine.take(request);
  expect(steps).toEqual(['look', 'hold', 'wire off', 'held look', 'release', 'wire on']);
  expect(image).toMatchObject({ consistency: 'application', rounds: 2, heldMs: 12 });
  expect(image.applications).toMatchObject([{ kind: 'hooks', version: '3', facts: { wal: 7 } }]);
});

test('rounds: looks repeat while they shrink, at most rounds_max times', async () => {
  const shrinking = [64, 20, 8, 3].map((mib) => ({ records: 9, bytes: mib * MIB }));
  expect(await engine.take(scene({ rounds: shrinking }).request)).toMatchObject({ rounds: 4 });
  const steady = [64, 60, 8].map((mib) => ({ records: 9, bytes: mib * MIB }));
  expect(await engine.take(scene({ rounds: steady }).request)).toMatchObject({ rounds: 3 });
});

test('rounds: nothing found means no hold, unless a point is asked for', async () => {
  const nothing = [{ records: 0, bytes: 0 }];
  const idle = scene({ rounds: nothing });
  await engine.take(idle.request);
  expect(idle.steps).toEqual(['look']);
  const asked = scene({ rounds: nothing, always: true });
  expect(await engine.take(asked.request)).toMatchObject({ consistency: 'application' });
});

test('rounds: what the last hold itself did to files does not make another hold', async () => {
  const { steps, request } = scene({ echo: true });
  expect(await engine.take(request)).toMatchObject({ consistency: 'crash', heldMs: 0 });
  expect(steps).toEqual(['look']);
});

test('rounds: files that moved while held, or a hold that ended early, make a crash point', async () => {
  const moved = await engine.take(scene({ moved: ['r/x'] }).request);
  expect(moved).toMatchObject({ consistency: 'crash', movedWhileHeld: ['r/x'] });
  const broken = scene({ release: { ...intact, intact: false, releasedBy: 'watchdog' } });
  expect(await engine.take(broken.request)).toMatchObject({ consistency: 'crash' });
});

test('rounds: a hold that fails leaves a crash point that says why', async () => {
  const failing = scene({
    hold: () => Promise.reject(new AfterimageError('quiesce-failed', 'no database')),
  });
  const image = await engine.take(failing.request);
  expect(image).toMatchObject({ consistency: 'crash', heldMs: 0 });
  expect(image.applications[0]?.facts).toMatchObject({ held: false, code: 'quiesce-failed' });
});

test('rounds: the application is released when the held look fails (promise 6)', async () => {
  const failing = scene({});
  let looks = 0;
  const request: ImageRequest = {
    ...failing.request,
    look: (options) => {
      looks += 1;
      return options.held
        ? Promise.reject(new AfterimageError('storage-failed', 'disk'))
        : Promise.resolve({ records: 1, bytes: 1 });
    },
  };
  await expect(engine.take(request)).rejects.toMatchObject({ code: 'storage-failed' });
  expect(looks).toBe(2);
  expect(failing.steps).toEqual(['hold', 'wire off', 'release', 'wire on']);
});
