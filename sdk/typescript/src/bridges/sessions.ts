// What a framework keeps of a conversation, for as many conversations as there is room for.

/** Values by the key of a conversation. When there are more than `most`, the one used least lately is forgotten. */
export class Sessions<T> {
  readonly #most: number;
  readonly #values = new Map<string, T>();

  constructor(most = 1000) {
    if (!(most >= 1)) {
      throw new TypeError("most must be 1 or more");
    }
    this.#most = most;
  }

  /** Returns the value of a conversation; undefined: there is none. */
  get(key: string): T | undefined {
    const value = this.#values.get(key);
    if (this.#values.delete(key)) {
      this.#values.set(key, value!);
    }
    return value;
  }

  /** Keeps the value of a conversation, in place of the one before. */
  put(key: string, value: T): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > this.#most) {
      this.#values.delete(this.#values.keys().next().value!);
    }
  }
}
