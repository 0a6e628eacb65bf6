export type EventHandler = (data: any) => void;

/** Handlers of events by name, called in the order of their registration. */
export class Emitter {
  readonly #handlers = new Map<string, Set<EventHandler>>();

  on(event: string, handler: EventHandler): void {
    this.#handlers.set(event, (this.#handlers.get(event) ?? new Set()).add(handler));
  }

  off(event: string, handler: EventHandler): void {
    const handlers = this.#handlers.get(event);
    handlers?.delete(handler);
    if (handlers?.size === 0) this.#handlers.delete(event);
  }

  /** Calls all handlers. What one throws is the event `error`, unless it handled that event. */
  emit(event: string, data: unknown): void {
    for (const handler of [...(this.#handlers.get(event) ?? [])]) {
      try {
        handler(data);
      } catch (error) {
        if (event !== "error") this.emit("error", error);
      }
    }
  }
}
