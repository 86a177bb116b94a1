/** The one call that the portable versions of other calls are made with. */
export interface MtimeCall {
  /** Sets mtime (and atime to the same) with ns, on the link itself. */
  setMtime(path: Buffer, mtimeNs: bigint): void;
}
