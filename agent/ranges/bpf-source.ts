/** A set's source of changed ranges: the files that the kernel's tracker follows for it. */
import type { Posix } from '../../shared/posix/posix.js';
import { newWord } from './bpf-tracker.js';
import type { BpfTracker, FollowedFile } from './bpf-tracker.js';
import type { BasisOf, RangeFile, RangeLook, RangeSource, RangeState } from './range-source.js';

export class BpfSource implements RangeSource {
  readonly name = 'tracker';
  readonly #tracker: BpfTracker;
  readonly #posix: Posix;
  readonly #files = new Map<number, FollowedFile>();

  /** The tracker belongs to the agent: it outlives its sources. */
  constructor(tracker: BpfTracker, posix: Posix) {
    this.#tracker = tracker;
    this.#posix = posix;
  }

  async begin(file: RangeFile): Promise<RangeLook | undefined> {
    try {
      return file.holds === 'clone' ? await this.#peek(file) : await this.#look(file);
    } catch (error) {
      this.#forget(file.node);
      this.#tracker.couldNot(error);
      return undefined;
    }
  }

  settle(basisOf: BasisOf): void {
    for (const [node, followed] of this.#files) {
      if (!this.#tracker.isFollowed(followed) || !followed.looks.settle(basisOf(node))) {
        this.#forget(node);
      }
    }
  }

  state(): RangeState {
    return { files: this.#files.size, heldBytesMax: 0 };
  }

  close(): void {
    for (const node of [...this.#files.keys()]) this.#forget(node);
  }

  async #look(file: RangeFile): Promise<RangeLook | undefined> {
    const { fd, node } = file;
    const inode = this.#tracker.inodeOf(fd);
    let followed = this.#tracker.find(inode);
    if (followed !== this.#files.get(node) || inode.refusal !== '') this.#forget(node);
    if (inode.refusal !== '' || followed?.busy === true) return undefined;
    if (followed !== undefined && followed.owner !== this) return undefined;
    const { size } = file.status;
    followed ??= await this.#tracker.follow(this, { fd, inode, size });
    if (followed === undefined) return undefined;
    this.#files.set(node, followed);
    try {
      followed.busy = true;
      const word = await this.#tracker.look(followed, { fd, size });
      const status = this.#posix.fstat(fd);
      const ranges = followed.looks.since(file.basis)?.ranges(status.size);
      return toLook(followed, { ...file, status, ranges, basis: word });
    } finally {
      followed.busy = false;
    }
  }

  /** Of a clone it is only known that it is older than now: what is marked counts again. */
  async #peek(file: RangeFile): Promise<RangeLook | undefined> {
    const followed = this.#files.get(file.node);
    if (followed === undefined || followed.inode.inode !== file.status.ino) return undefined;
    const marks = await this.#tracker.peek(followed);
    const since = followed.looks.since(file.basis);
    if (marks === undefined || since === undefined) return undefined;
    marks.merge(since);
    const basis = newWord();
    followed.looks.addBeside(basis);
    const { fd, status } = file;
    return toLook(followed, {
      fd,
      status,
      holds: 'clone',
      ranges: marks.ranges(status.size),
      basis,
    });
  }

  #forget(node: number): void {
    const followed = this.#files.get(node);
    this.#files.delete(node);
    if (followed !== undefined) this.#tracker.drop(followed);
  }
}

function toLook(
  followed: FollowedFile,
  look: Omit<RangeLook, 'steady' | 'end'> & { readonly basis: string },
): RangeLook {
  const { fd, holds, status, ranges, basis } = look;
  return {
    fd,
    holds,
    status,
    ranges,
    basis,
    steady: true,
    end: (result) => {
      if (result === 'failed') followed.looks.forget(basis);
    },
  };
}
