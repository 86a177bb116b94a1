/** The effects of a restore, in the order in which they are carried out. */
import type { NodeVersion } from './node-version.js';
import type { BlockRange } from './point-source.js';

interface At {
  /** From the set's root. */
  readonly path: Buffer;
}

export type Step =
  /** Deletes the name, and all below it when `tree`. */
  | (At & { readonly type: 'remove'; readonly extent: 'tree' | 'one' })
  /** Gives what is there another name in its folder. */
  | (At & { readonly type: 'rename' })
  /** Takes it out of the way, to the same path below the folder of its root that is kept for that. */
  | (At & { readonly type: 'move' })
  | (At & { readonly type: 'folder'; readonly version: NodeVersion })
  /** Symlink, FIFO, socket or device. */
  | (At & { readonly type: 'make'; readonly version: NodeVersion })
  /** Another name for what stands at `to`; whatever else is at the path goes. */
  | (At & { readonly type: 'link'; readonly version: NodeVersion; readonly to: Buffer })
  /**
   * A new file with all its content. With `over`, it takes its name when it is whole, and what has the
   * name then stays as it is (`nothing`), is replaced, or gets another name.
   */
  | (At & {
      readonly type: 'file';
      readonly version: NodeVersion;
      readonly over?: 'nothing' | 'replace' | 'rename';
    })
  /** Blocks of a file that is there. `settle` follows. */
  | (At & {
      readonly type: 'patch';
      readonly version: NodeVersion;
      readonly ranges: readonly BlockRange[];
    })
  /** Size and metadata of what is there; of a folder, when all below it is done. */
  | (At & {
      readonly type: 'settle';
      readonly version: NodeVersion;
      readonly state: 'new' | 'present';
    });
