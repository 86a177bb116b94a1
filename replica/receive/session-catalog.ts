import type { NextKeys } from '../../shared/protocol/hello.js';

export interface TokenVerdict {
  /**
   * `stale`: an older one than the set's newest; only an adopted agent is let in with it. `newer`: this
   * catalog is an older copy, and who shows it is the agent, whoever came in first.
   */
  readonly shown: 'good' | 'newer' | 'stale';
  /** An operator lets the machine in that was refused. */
  readonly adopting: boolean;
}

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
   * `identity-in-use` when none of them is the set's current or pending one (R14), unless an operator
   * adopted the agent, or the token is newer than any known here: this catalog is an older copy.
   */
  offerToken(request: {
    readonly agent: string;
    readonly set: string;
    readonly tokens: readonly string[];
    readonly host: string;
    /** The set is held by somebody else, whom the adopted agent shuts out. */
    readonly takesOver?: boolean;
  }): { readonly token: string; readonly confirmed: number | null };
  /** What `offerToken` would make of these tokens; changes nothing. */
  judgeTokens(request: {
    readonly agent: string;
    readonly set: string;
    readonly tokens: readonly string[];
  }): TokenVerdict;
  /** The agent has shown that it holds the offered token: older ones are void. */
  confirmToken(request: {
    readonly agent: string;
    readonly set: string;
    readonly token: string;
    readonly host: string;
  }): void;
  /** How agents change keys. */
  readonly keys: {
    asked(agent: string): 'agent' | 'agent-and-broker' | undefined;
    allAsked(): readonly string[];
    /** Whether the agent's HELLOs are let in under this key at present. */
    isGood(agent: string, publicKey: Uint8Array): boolean;
  };
  /**
   * The agent has sealed something in a session under `publicKey`, said to the replica's key
   * `replicaKey`. True when that key is in force from now on, and the one before it refused (R23).
   */
  confirmKeys(request: {
    readonly agent: string;
    readonly publicKey: Uint8Array;
    readonly replicaKey: Uint8Array;
    readonly nextKeys: NextKeys | undefined;
  }): boolean;
  /** Sets that agents own, for telling them that the replica is back. */
  listSets(): readonly { readonly agent: string; readonly set: string }[];
}
