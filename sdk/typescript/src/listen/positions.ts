// Where listeners keep the position of what was processed.

/** Keeps positions, so that a listener continues where an earlier one ended. */
export interface PositionStore {
  /** Returns the position that was saved last under a key; undefined: none. */
  load(key: string): string | undefined | Promise<string | undefined>;
  /** Saves a position under a key. */
  save(key: string, position: string): void | Promise<void>;
}

/** Returns a store that keeps positions as long as the program runs. */
export function memoryPositions(): PositionStore {
  const positions = new Map<string, string>();
  return { load: (key) => positions.get(key), save: (key, position) => void positions.set(key, position) };
}

/** Saves the newest position; at most one save is in progress. */
export class Saver {
  #newest: string | undefined;
  #saved: string | undefined;
  #running: Promise<void> | undefined;

  constructor(
    private readonly store: PositionStore,
    private readonly key: string,
    private readonly failed: (error: unknown) => void,
  ) {}

  get position(): string | undefined {
    return this.#newest;
  }

  async load(): Promise<string | undefined> {
    return (this.#newest = this.#saved = await this.store.load(this.key));
  }

  /** Has a position saved soon. */
  set(position: string): void {
    this.#newest = position;
    this.#running ??= this.#save().catch(this.failed).finally(() => (this.#running = undefined));
  }

  async #save(): Promise<void> {
    await Promise.resolve(); // further events of the same moment
    while (this.#newest !== undefined && this.#newest !== this.#saved) {
      const position = this.#newest;
      await this.store.save(this.key, position);
      this.#saved = position;
    }
  }

  /** Waits until the newest position is saved. Rejects if that fails. */
  async flush(): Promise<void> {
    await this.#running;
    await this.#save();
  }
}
