// The events between a connection and the consumer.

/** How much a queue has. */
const MOST_EVENTS = 1024;
const MOST_BYTES = 8 * 2 ** 20;

/** A queue that is limited in events and in bytes, with the exception of one larger event (B2B-SDK-015). */
export class Queue<T> {
  #items: { item: T; size: number }[] = [];
  #head = 0;
  #size = 0;
  #waiting: ((result: IteratorResult<T, undefined>) => void)[] = [];
  #roomy: (() => void)[] = [];

  get length(): number {
    return this.#items.length - this.#head;
  }

  get full(): boolean {
    return this.length >= MOST_EVENTS || this.#size >= MOST_BYTES;
  }

  /** Adds an item. */
  push(item: T, size: number): void {
    const taker = this.#waiting.shift();
    if (taker) {
      return taker({ done: false, value: item });
    }
    this.#items.push({ item, size });
    this.#size += size;
  }

  /** Returns the oldest item as soon as there is one, or undefined once the queue has ended. */
  take(): Promise<IteratorResult<T, undefined>> | IteratorResult<T, undefined> {
    const first = this.#items[this.#head];
    if (!first) {
      return new Promise((taker) => this.#waiting.push(taker));
    }
    this.#items[this.#head++] = undefined!;
    if (this.#head === this.#items.length || this.#head >= MOST_EVENTS) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    this.#size -= first.size;
    if (this.#roomy.length > 0 && this.length <= MOST_EVENTS / 2 && this.#size <= MOST_BYTES / 2) {
      this.#roomy.splice(0).forEach((resolve) => resolve());
    }
    return { done: false, value: first.item };
  }

  /** Waits until the queue is half empty, or the signal is aborted. */
  room(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#roomy.push(done);
      signal.addEventListener("abort", done);
    });
  }

  /** Wakes those that wait for an item. */
  end(): void {
    this.#waiting.splice(0).forEach((taker) => taker({ done: true, value: undefined }));
  }
}
