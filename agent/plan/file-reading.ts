/** What is said of one file while its content is read, and its row in the state. */
import type { FileStatus } from '../../shared/posix/posix.js';
import type { NodeRow } from '../state/node-row.js';
import { encodeStatus, provisionalKey } from '../state/status.js';
import type { Announcement, ContentOutcome } from './content-request.js';
import { toNodeRecord, saysTheSame } from './node-record.js';
import type { Planned } from './found.js';
import { isYoung, type PlanParts } from './plan-parts.js';

export class FileReading {
  readonly #parts: PlanParts;
  readonly #before: NodeRow | undefined;
  row: NodeRow;
  /** It moved since it was scanned, or is too young to be told from its next change. */
  #uncertain = false;
  #ctimeNs = 0n;
  #announced: Announcement | undefined;
  #inserted = false;

  constructor(parts: PlanParts, row: NodeRow, before: NodeRow | undefined) {
    this.#parts = parts;
    this.row = row;
    this.#before = before;
  }

  /**
   * The status that the descriptor shows counts; attributes read before it may be older. `lookedMs`:
   * no later than the moment that the content is of.
   */
  look(status: FileStatus, unmoved: boolean, lookedMs = this.#parts.clock.now()): void {
    this.#ctimeNs = status.ctimeNs;
    this.#uncertain = !unmoved || isYoung(status.ctimeNs, lookedMs);
    this.row = { ...this.row, status: encodeStatus(status), size: status.size };
  }

  /** How a lost sync remembered this very file (R12). */
  get provisional(): Buffer {
    return provisionalKey(this.row.identity ?? Buffer.alloc(0), this.row.status);
  }

  /** A new file whose content comes later, so that it can have names. */
  makeEmpty(): Promise<void> | undefined {
    const row = this.row;
    this.#write({ ...row, size: 0, dirty: true, fresh: this.#freshOf('new') });
    const said = this.#parts.outlet.put(toNodeRecord(this.row, 'new'));
    this.row = row;
    return said;
  }

  announce(said: Announcement): Promise<void> | undefined {
    if (this.#before !== undefined) this.#parts.findings.changed(this.#ctimeNs);
    const dirty = this.#uncertain || !said.steady;
    const row = { ...this.row, size: said.size, fresh: this.#freshOf(said.body), dirty };
    this.#write(row);
    this.#announced = said;
    return this.#parts.outlet.put(toNodeRecord(row, said.body));
  }

  async finish(outcome: ContentOutcome): Promise<Planned> {
    const { findings, outlet } = this.#parts;
    findings.bytesRead += outcome.bytesRead;
    const dirty = this.#uncertain || !outcome.steady;
    if (dirty) findings.unsettled += 1;
    const said = this.#announced;
    const fresh = outcome.changed ? this.#freshOf(outcome.body) : this.row.fresh;
    const row = { ...this.row, size: outcome.size, dirty, fresh };
    if (said === undefined || said.size !== row.size || dirty || !said.steady) this.#write(row);
    const toSay =
      said === undefined
        ? this.#before === undefined ||
          this.#before.identity === null ||
          !saysTheSame(this.#before, row)
        : said.size !== row.size;
    if (toSay) {
      if (said === undefined && this.#before !== undefined) findings.changed(this.#ctimeNs);
      const wait = outlet.put(toNodeRecord(row, outcome.body));
      if (wait !== undefined) await wait;
    }
    return { node: row.id, settled: !dirty };
  }

  /** Reading failed: nothing was said of a known file; a new one ends empty and nameless. */
  async giveUp(error: unknown): Promise<Planned> {
    if (this.#announced === undefined && !this.#inserted) {
      return { node: this.#before?.id, settled: false };
    }
    if (this.#before !== undefined) throw error;
    const { state, outlet } = this.#parts;
    state.digests.removeFrom(this.row.id, 0);
    state.nodes.delete(this.row.id);
    await this.#parts.blocks.drain();
    await outlet.put(toNodeRecord({ ...this.row, size: 0 }, 'new'));
    return { node: undefined, settled: false };
  }

  #freshOf(body: 'keep' | 'new'): number {
    const sync = this.#parts.state.flight?.sync ?? 0;
    return body === 'new' ? sync : -sync;
  }

  #write(row: NodeRow): void {
    if (this.#before === undefined && !this.#inserted) {
      this.#parts.state.nodes.insert(row);
      this.#inserted = true;
    } else {
      this.#parts.state.nodes.update(row);
    }
    this.row = row;
  }
}
