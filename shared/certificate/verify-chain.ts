/**
 * Checks an export of a set's certificates, line by line, with nothing but a public key: that each
 * entry is signed and follows the one before, that keys change only under the old key's signature, and
 * that no point is missing but by a signed removal. Goes on after a problem, so that all are found.
 * docs/design/certificates.md says what cannot be found out offline.
 */
import { type SignatureCheck, signatureCheckOf } from '../seal/signing-key.js';
import {
  digestOf,
  type Entry,
  type ExportLine,
  exportLineSchema,
  type Head,
  headSchema,
  NO_ENTRY,
  readEntry,
  type Signed,
  type SignedKind,
  signedMessage,
} from './certificate.js';
import { formatRanges } from './facts.js';
import { KeyLine } from './key-line.js';
import { PointLedger } from './point-ledger.js';

export interface ChainProblem {
  /**
   * - `malformed`: not what an export consists of
   * - `altered`: a signature does not fit what it signs
   * - `order`: entries are missing, repeated, or do not follow each other
   * - `key`: signed by a key that the given one does not vouch for
   * - `points`: points are gone without a removal, or were never certified, or twice
   * - `end`: the chain was cut off, or is not the one that was seen before
   */
  readonly problem: 'malformed' | 'altered' | 'order' | 'key' | 'points' | 'end';
  readonly message: string;
  readonly sequence?: number;
  readonly point?: number;
}

export interface ChainVerdict {
  /** Undefined when the file does not say. */
  readonly set: string | undefined;
  readonly entries: number;
  readonly certified: number;
  readonly removed: number;
  /** Digest of the last entry, to be kept elsewhere and given to a later verification. */
  readonly head: string;
  /** When the replica wrote the export, ms; undefined without a head. */
  readonly writtenMs: number | undefined;
  /** Looks at points that found something wrong; no fault of the chain. */
  readonly damagedChecks: readonly string[];
  readonly problems: readonly ChainProblem[];
}

export interface VerifyChainOptions {
  /** The public key that is trusted, base64url: any that the replica ever signed with. */
  readonly key: string;
  /** Digests of entries that were the newest at some time; each must be in the chain. */
  readonly heads?: readonly string[];
}

export class ChainVerifier {
  readonly #wantedHeads: Set<string>;
  readonly #keys: KeyLine;
  readonly #checks = new Map<string, SignatureCheck>();
  readonly #points = new PointLedger();
  readonly #problems: ChainProblem[] = [];
  readonly #damagedChecks: string[] = [];
  /** Digest of each entry, in order. */
  readonly digests: string[] = [];
  #set: string | undefined;
  #sequence = 0;
  #head: Head | undefined;
  #lines = 0;

  /** Throws `config-invalid` when `key` is none. */
  constructor({ key, heads = [] }: VerifyChainOptions) {
    signatureCheckOf(key);
    this.#keys = new KeyLine(key);
    this.#wantedHeads = new Set(heads);
  }

  /** One line of the export, as text. */
  take(text: string): void {
    this.#lines += 1;
    const line = parseLine(text);
    if (line === undefined) {
      this.#add('malformed', `line ${this.#lines} is no line of an export`);
      return;
    }
    if (this.#head !== undefined)
      this.#add('malformed', `line ${this.#lines} comes after the head`);
    switch (line.type) {
      case 'set':
        this.#set ??= line.set;
        break;
      case 'key':
        this.#takeKeyStep(line);
        break;
      case 'entry':
        this.#takeEntry(line);
        break;
      case 'head':
        this.#takeHead(line);
        break;
    }
  }

  /** What is wrong with the whole, after the last line. */
  end(): ChainVerdict {
    if (this.#set === undefined) this.#add('malformed', 'the file does not say of which set it is');
    if (this.#head === undefined) {
      const at = this.#sequence === 0 ? 'the beginning' : `entry ${this.#sequence}`;
      this.#add('end', `no signed head: whatever came after ${at} may have been cut off`);
    }
    for (const head of this.#wantedHeads) {
      this.#add(
        'end',
        `no entry has the digest ${head}: the chain was cut before it, or another was put in its place`,
      );
    }
    for (const message of this.#keys.objections()) this.#add('key', message);
    const { certified, removed } = this.#points;
    return {
      set: this.#set,
      entries: this.digests.length,
      certified,
      removed,
      head: this.#lastDigest,
      writtenMs: this.#head?.writtenMs,
      damagedChecks: this.#damagedChecks,
      problems: this.#problems,
    };
  }

  get #lastDigest(): string {
    return this.digests.at(-1) ?? NO_ENTRY;
  }

  #takeKeyStep(signed: Signed): void {
    const step = this.#keys.step(signed, (text, signature, key) =>
      this.#isSigned({ kind: 'key', text, signature, key }),
    );
    if (step !== undefined) this.#add(step.problem, step.message);
  }

  #takeEntry(signed: Signed): void {
    let entry: Entry;
    try {
      entry = readEntry(signed.text);
    } catch {
      this.#add('malformed', `line ${this.#lines} holds no entry`);
      return;
    }
    const at = whereOf(entry);
    const digest = digestOf('certificate', signed.text);
    if (entry.set !== this.#set) this.#add('malformed', `is of set ${entry.set}`, at);
    this.#checkSignature(entry, signed);
    if (this.#checkOrder(entry, digest)) this.#checkFacts(entry, signed);
  }

  #checkSignature(entry: Entry, { text, signature }: Signed): void {
    const at = whereOf(entry);
    const isValid = this.#isSigned({ kind: 'certificate', text, signature, key: entry.key });
    if (!isValid) this.#add('altered', 'its signature does not fit: it was altered', at);
    const objection = this.#keys.signer(entry.key, isValid);
    if (objection !== undefined) this.#add('key', objection, at);
  }

  /** False for an entry that is out of turn and so says nothing more. */
  #checkOrder(entry: Entry, digest: string): boolean {
    const at = whereOf(entry);
    const expected = this.#sequence + 1;
    if (entry.sequence < expected) {
      const why = this.digests.includes(digest) ? 'is there twice' : 'is out of order';
      this.#add('order', `${why}: it comes after entry ${this.#sequence}`, at);
      return false;
    }
    if (entry.sequence > expected) {
      const last = entry.sequence - 1;
      const missing = last === expected ? `entry ${last} is` : `entries ${expected} to ${last} are`;
      this.#add('order', `${missing} missing before it`, at);
    } else if (entry.previous !== this.#lastDigest) {
      this.#add('order', 'does not follow the entry before it: one of them was replaced', at);
    }
    this.#sequence = entry.sequence;
    this.digests.push(digest);
    this.#wantedHeads.delete(digest);
    return true;
  }

  #checkFacts(entry: Entry, { text, countersignature }: Signed): void {
    const { facts } = entry;
    const at = whereOf(entry);
    switch (facts.kind) {
      case 'point':
        for (const message of this.#points.certify(facts.point)) this.#add('points', message, at);
        break;
      case 'removal':
        for (const [point, message] of this.#points.remove(facts.points)) {
          this.#add('points', message, { ...at, point });
        }
        break;
      case 'check':
        if (facts.findings > 0) {
          const points = formatRanges(facts.points);
          this.#damagedChecks.push(
            `entry ${entry.sequence}: a check (${facts.check}) of points ${points} found ${facts.findings} things wrong`,
          );
        }
        break;
      case 'key': {
        const isValid =
          countersignature !== undefined &&
          this.#isSigned({
            kind: 'certificate',
            text,
            signature: countersignature,
            key: facts.next,
          });
        if (!isValid) this.#add('altered', 'the new key did not sign that it takes over', at);
        this.#keys.takeOver(facts.next, isValid);
        break;
      }
    }
  }

  #takeHead({ text, signature }: Signed): void {
    let head: Head;
    try {
      head = headSchema.parse(JSON.parse(text));
    } catch {
      this.#add('malformed', `line ${this.#lines} holds no head`);
      return;
    }
    this.#head = head;
    const isValid = this.#isSigned({ kind: 'head', text, signature, key: head.key });
    if (!isValid) this.#add('altered', 'the signature of the head does not fit: it was altered');
    const objection = this.#keys.signer(head.key, isValid);
    if (objection !== undefined) this.#add('key', `the head ${objection}`);
    if (head.set !== this.#set) this.#add('malformed', `the head is of set ${head.set}`);
    if (head.sequence !== this.#sequence || head.head !== this.#lastDigest) {
      const ends = this.#sequence === 0 ? 'has no entry' : `ends with entry ${this.#sequence}`;
      this.#add(
        'end',
        `the signed head names entry ${head.sequence}, the chain ${ends}: it was cut or replaced`,
      );
    } else if (head.points !== null) {
      for (const [point, message] of this.#points.compare(head.points, head.due)) {
        this.#add('points', message, { point });
      }
    }
  }

  #isSigned(by: {
    readonly kind: SignedKind;
    readonly text: string;
    readonly signature: string;
    readonly key: string;
  }): boolean {
    let check = this.#checks.get(by.key);
    if (check === undefined) {
      try {
        check = signatureCheckOf(by.key);
      } catch {
        check = () => false;
      }
      this.#checks.set(by.key, check);
    }
    return check(signedMessage(by.kind, by.text), Buffer.from(by.signature, 'base64url'));
  }

  #add(
    problem: ChainProblem['problem'],
    message: string,
    at: { readonly sequence?: number; readonly point?: number } = {},
  ): void {
    this.#problems.push({ problem, message, ...at });
  }
}

function whereOf({ sequence, facts }: Entry): { sequence: number; point?: number } {
  return facts.kind === 'point' ? { sequence, point: facts.point } : { sequence };
}

function parseLine(text: string): ExportLine | undefined {
  try {
    return exportLineSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
