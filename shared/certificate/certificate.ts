/**
 * Signed entries of a set's certificate chain, and the lines of an export. What is signed is the exact
 * text, behind a line that names its kind; its digest is SHA-256 over the same bytes. So an entry can
 * be checked with any Ed25519 and SHA-256, and no canonical form of JSON is needed.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { SigningKey } from '../seal/signing-key.js';
import { factsSchema, rangesSchema } from './facts.js';

const format = z.literal(1);
const publicKey = z.string().length(43);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** What stands before the first entry. */
export const NO_ENTRY = '0'.repeat(64);

/** One entry of a set's chain. */
export const entrySchema = z.object({
  format,
  set: z.string(),
  /** From 1, without gaps. */
  sequence: z.number().int().positive(),
  /** Digest of the entry before, hex. */
  previous: digest,
  /** Who signs it. */
  key: publicKey,
  writtenMs: z.number().int(),
  facts: factsSchema,
});
export type Entry = z.infer<typeof entrySchema>;

/** One step of the replica's keys, signed by both; sets that began later prove theirs by it. */
export const keyStepSchema = z.object({
  format,
  from: publicKey,
  to: publicKey,
  timeMs: z.number().int(),
});
export type KeyStep = z.infer<typeof keyStepSchema>;

/** What the replica had when it wrote an export: the end of the chain, and the points themselves. */
export const headSchema = z.object({
  format,
  set: z.string(),
  /** Of the last entry; 0 and zeros for none. */
  sequence: z.number().int().nonnegative(),
  head: digest,
  key: publicKey,
  writtenMs: z.number().int(),
  /** Points that exist; null when the set was not open. */
  points: rangesSchema.nullable(),
  /** Cut or removed, but not certified yet. */
  due: z.object({ points: rangesSchema, removed: rangesSchema }),
});
export type Head = z.infer<typeof headSchema>;

export type SignedKind = 'certificate' | 'key' | 'head';

export const signedSchema = z.object({
  text: z.string().max(1_000_000),
  /** 64 bytes, base64url. */
  signature: z.string().length(86),
  /** By the new key, where there is one. */
  countersignature: z.string().length(86).optional(),
});
export type Signed = z.infer<typeof signedSchema>;

/** Lines of an export, in this order: `set`, `key`…, `entry`…, `head`. */
export const exportLineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('set'), format, set: z.string() }),
  signedSchema.extend({ type: z.literal('key') }),
  signedSchema.extend({ type: z.literal('entry') }),
  signedSchema.extend({ type: z.literal('head') }),
]);
export type ExportLine = z.infer<typeof exportLineSchema>;

/** What an entry's text says. Throws for what is no entry; its signature is another question. */
export function readEntry(text: string): Entry {
  return entrySchema.parse(JSON.parse(text));
}

/** The bytes that are signed and digested. */
export function signedMessage(kind: SignedKind, text: string): Buffer {
  return Buffer.from(`afterimage ${kind} 1\n${text}`);
}

/** Digest of a signed text, hex. */
export function digestOf(kind: SignedKind, text: string): string {
  return createHash('sha256').update(signedMessage(kind, text)).digest('hex');
}

/** Signs what `content` says; the countersigner is the new key. */
export function signText(
  kind: SignedKind,
  content: Entry | KeyStep | Head,
  keys: { readonly signer: SigningKey; readonly countersigner?: SigningKey | undefined },
): Signed {
  const text = JSON.stringify(content);
  const message = signedMessage(kind, text);
  const { signer, countersigner } = keys;
  return {
    text,
    signature: signer.sign(message).toString('base64url'),
    ...(countersigner === undefined
      ? {}
      : { countersignature: countersigner.sign(message).toString('base64url') }),
  };
}
