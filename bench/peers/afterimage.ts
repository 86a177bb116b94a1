/** The product among its peers, on one of its lanes. */
import { basename, join } from 'node:path';
import { request } from 'undici';
import { setPath } from '../../cli/api-client.js';
import { foundSchema } from '../../shared/api/changes.js';
import { agentConfigSchema } from '../../shared/config/agent-config.js';
import type { Copier, CopierOptions } from '../copier.js';
import { Product, SET } from '../harness.js';
import { runCommand } from './commands.js';
import type { Network } from './network.js';

/** Without these the agent is not told by the kernel what is written, and where. */
const PLAIN = ['setpriv', '--bounding-set=-sys_admin,-bpf,-perfmon', '--'];
const SELDOM = '7d';
const POINT = `${SET}@latest`;

export interface Way {
  readonly name: string;
  readonly lane: 'broker' | 'direct';
  /** `plain`: as an agent without rights of its own, which walks trees and reads large files whole. */
  readonly follows: 'kernel' | 'plain';
}

/** Whether the product as it is built has a lane besides the broker. */
export function hasDirectLane(): boolean {
  return Object.hasOwn(agentConfigSchema.shape, 'direct');
}

export async function startAfterimage(
  way: Way,
  { root, folder, sourceFolder, network }: CopierOptions & { readonly network: Network },
): Promise<Copier> {
  const source = way.follows === 'kernel' ? 'auto' : 'scan';
  const product = await Product.start({
    root,
    folder,
    ...(sourceFolder === undefined ? {} : { sourceFolder }),
    schedule: 'asked',
    set: { capture: { source, scan_every: SELDOM } },
    agent: hasDirectLane() ? { direct: way.lane === 'direct' ? 'auto' : 'never' } : {},
    replica: { scrub: { every: 'never' } },
    before: { agent: [...network.onSource, ...(way.follows === 'plain' ? PLAIN : [])] },
    host: network.host,
  });
  const restore = async (target: string, ...options: string[]): Promise<void> => {
    const { command, env } = product.verb(['restore', POINT, '--to', target, ...options]);
    await runCommand(command, { env });
  };
  const rooted = (path: string): string => `${basename(root)}/${path}`;
  return {
    name: way.name,
    about: describe(way),
    storeFolder: product.storeFolder,
    processes: () => product.processes(),
    copy: () => product.sync(),
    toldBytes: async () => (await product.outcome())?.counts.bytesSent,
    digest: () => product.digest(),
    restoreAll: async (target) => {
      await restore(target);
      return join(target, basename(root));
    },
    restoreInPlace: (target) => restore(target, '--in-place', '--delete'),
    readFile: (path) => readContent(product, { point: 'latest', path: rooted(path) }),
    readOldRange: ({ path, offset, bytes }) =>
      readContent(product, {
        point: '1',
        path: rooted(path),
        range: `bytes=${offset}-${offset + bytes - 1}`,
      }),
    find: async (name) => {
      let found = 0;
      const asked = { path: setPath(SET, 'find'), query: { glob: name } };
      for await (const line of product.apiClient.lines(foundSchema, asked)) {
        if (line.path.endsWith(name)) found += 1;
      }
      return found;
    },
    stop: () => product.stop(),
  };
}

function describe({ lane, follows }: Way): string {
  const how = follows === 'kernel' ? 'the kernel reports what is written' : 'trees are walked';
  return `afterimage, ${lane} lane, ${how}`;
}

/** Through the replica's API, as a console does. */
export async function readContent(
  product: Product,
  asked: { readonly point: string; readonly path: string; readonly range?: string },
): Promise<Buffer> {
  const { url, token } = product.api;
  const path = setPath(SET, 'points', asked.point, 'file');
  const answer = await request(`${url}${path}?path=${encodeURIComponent(asked.path)}`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(asked.range === undefined ? {} : { range: asked.range }),
    },
  });
  if (answer.statusCode >= 300)
    throw new Error(`${answer.statusCode}: ${await answer.body.text()}`);
  return Buffer.from(await answer.body.arrayBuffer());
}
