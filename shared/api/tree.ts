/**
 * Shapes of what the API says about files and folders. Names and paths are in the text form of
 * shared/path-text.ts; times are ns since the epoch as decimal strings.
 */
import { z } from 'zod';
import { parsePathText, toPathText } from '../path-text.js';
import type { Xattr } from '../posix/posix.js';
import { nodeKinds, type NodeKind } from '../protocol/records.js';

const nodeNumber = z.number().int().positive();
const byteCount = z.number().int().nonnegative();

export const nodeSchema = z.object({
  node: nodeNumber,
  kind: z.enum(nodeKinds),
  /** Permission bits with setuid, setgid and sticky. */
  mode: z.number().int().min(0).max(0o7777),
  uid: z.number().int().nonnegative(),
  gid: z.number().int().nonnegative(),
  size: byteCount,
  mtimeNs: z.string().regex(/^-?\d{1,19}$/),
  rdev: z.number().int().nonnegative().optional(),
  /** Where a symlink points, as path text. */
  target: z.string().optional(),
  /** Values in base64. */
  xattrs: z.array(z.object({ name: z.string(), value: z.base64() })).optional(),
  /** First point at which the node was exactly this. */
  born: z.number().int().nonnegative(),
});
export type NodeJson = z.infer<typeof nodeSchema>;

/** A node as the readers hand it out; `NodeVersion` is one. */
export interface ApiNode {
  readonly node: number;
  readonly kind: NodeKind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly rdev: number;
  readonly target: Buffer;
  readonly xattrs: readonly Xattr[];
  readonly born: number;
}

export function toNodeJson(version: ApiNode): NodeJson {
  const { node, kind, mode, uid, gid, size, mtimeNs, rdev, target, xattrs, born } = version;
  const json: NodeJson = { node, kind, mode, uid, gid, size, mtimeNs: mtimeNs.toString(), born };
  if (rdev !== 0) json.rdev = rdev;
  if (target.length > 0) json.target = toPathText(target);
  if (xattrs.length > 0) {
    json.xattrs = xattrs.map(({ name, value }) => ({
      name: toPathText(name),
      value: value.toString('base64'),
    }));
  }
  return json;
}

export function fromNodeJson(json: NodeJson): ApiNode {
  return {
    node: json.node,
    kind: json.kind,
    mode: json.mode,
    uid: json.uid,
    gid: json.gid,
    size: json.size,
    mtimeNs: BigInt(json.mtimeNs),
    rdev: json.rdev ?? 0,
    target: json.target === undefined ? Buffer.alloc(0) : parsePathText(json.target),
    xattrs: (json.xattrs ?? []).map(({ name, value }) => ({
      name: parsePathText(name),
      value: Buffer.from(value, 'base64'),
    })),
    born: json.born,
  };
}

/** A node with its path from the set's root, no leading slash; the set itself is ''. */
export const pathedNodeSchema = nodeSchema.extend({ path: z.string() });
export type PathedNode = z.infer<typeof pathedNodeSchema>;

export const listedNodeSchema = nodeSchema.extend({ name: z.string() });
export type ListedNode = z.infer<typeof listedNodeSchema>;

export const LIST_LIMIT_MAX = 10_000;
export const PATHS_MAX = 1_000;

export const listQuerySchema = z.object({
  path: z.string().default(''),
  /** The last name of the page before. */
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(LIST_LIMIT_MAX).default(1000),
});

export const listSchema = z.object({
  set: z.string(),
  point: z.number().int(),
  path: z.string(),
  entries: z.array(listedNodeSchema),
  /** Ask again with `after` of this; null on the last page. */
  next: z.string().nullable(),
});
export type ListAnswer = z.infer<typeof listSchema>;

export const statSchema = z.object({
  set: z.string(),
  point: z.number().int(),
  entry: pathedNodeSchema,
});
export type StatAnswer = z.infer<typeof statSchema>;

export const pathQuerySchema = z.object({ path: z.string().default('') });

/** `path` may be given more than once; none means everything. */
export const walkQuerySchema = z.object({
  path: z
    .union([z.string().transform((path) => [path]), z.array(z.string()).max(PATHS_MAX)])
    .default([]),
  /** Small files come with their digests. */
  digests: z.literal('small').optional(),
});

/** Entries that follow, up to the next such line, lie in this folder. */
export const walkFolderSchema = z.object({
  type: z.literal('folder'),
  path: z.string(),
  node: nodeNumber,
  /** Set when only what leads to the asked paths is listed, not the whole folder. */
  way: z.literal(true).optional(),
});
export const walkEntrySchema = nodeSchema.extend({
  type: z.literal('entry'),
  path: z.string(),
  /** Set on a folder that only leads to an asked path. */
  way: z.literal(true).optional(),
  /** Of a small file, if asked for and at hand: 32 bytes a block, in base64. */
  digests: z.base64().optional(),
});
export const walkLineSchema = z.discriminatedUnion('type', [walkFolderSchema, walkEntrySchema]);
export type WalkLine = z.infer<typeof walkLineSchema>;

export const digestQuerySchema = z.object({
  first: z.coerce.number().int().nonnegative().default(0),
  count: z.coerce.number().int().min(1).max(65_536),
});
