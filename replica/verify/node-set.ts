/** A set of node numbers, a bit each: a set of files may have millions. */
const CHUNK_NODES = 65_536;

export class NodeSet {
  readonly #chunks = new Map<number, Uint8Array>();

  /** True when the node was not in the set. */
  add(node: number): boolean {
    const key = Math.floor(node / CHUNK_NODES);
    let chunk = this.#chunks.get(key);
    if (chunk === undefined) {
      chunk = new Uint8Array(CHUNK_NODES / 8);
      this.#chunks.set(key, chunk);
    }
    const at = (node % CHUNK_NODES) >> 3;
    const bit = 1 << (node & 7);
    const byte = chunk[at] ?? 0;
    chunk[at] = byte | bit;
    return (byte & bit) === 0;
  }
}
