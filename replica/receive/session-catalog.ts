/** What the receiver asks of the catalog: who an agent is, and its sets' tokens. */
export interface SessionCatalog {
  /**
   * Lets an agent in that shows the key pinned for its name, or a valid one-time token, which pins
   * its key and is spent. Throws `identity-unknown`.
   */
  admit(request: {
    readonly agent: string;
    readonly publicKey: Uint8Array;
    readonly enrolment: string | null;
    readonly host: string;
  }): void;
  /**
   * Gives a set its next token, pending until `confirmToken`, for one of the tokens the agent has.
   * `confirmed` says which of them counts from now on; null while none was ever confirmed. Throws
   * `identity-in-use` when none of them is the set's current or pending one (R14).
   */
  offerToken(request: {
    readonly agent: string;
    readonly set: string;
    readonly tokens: readonly string[];
    readonly host: string;
  }): { readonly token: string; readonly confirmed: number | null };
  /** The agent has shown that it holds the offered token: older ones are void. */
  confirmToken(request: {
    readonly agent: string;
    readonly set: string;
    readonly token: string;
    readonly host: string;
  }): void;
  /** Sets that agents own, for telling them that the replica is back. */
  listSets(): readonly { readonly agent: string; readonly set: string }[];
}
