// Time and chance, which tests replace.

/** What waits take their time and their randomness from. */
export interface Clock {
  /** Returns milliseconds since any fixed moment. */
  now(): number;
  /** Returns a number from 0 to 1, without 1. */
  random(): number;
  /** Calls a function after a number of milliseconds. Returns a function that cancels this. */
  after(milliseconds: number, call: () => void): () => void;
  /** The same for the pauses between attempts, which tests can let pass at once. Default: `after`. */
  pause?(milliseconds: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  random: () => Math.random(),
  after(milliseconds, call) {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** Waits. Rejects with the reason of the signal as soon as it is aborted. */
export function sleep(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const end = () => {
      cancel();
      reject(signal.reason);
    };
    const cancel = (clock.pause ?? clock.after).call(clock, milliseconds, () => {
      signal.removeEventListener("abort", end);
      resolve();
    });
    signal.addEventListener("abort", end);
  });
}

/** Returns the pause before the attempt after a number of failures: random up to a limit that doubles. */
export function jittered(clock: Clock, first: number, most: number, failures: number): number {
  return clock.random() * Math.min(most, first * 2 ** failures);
}

/** Returns the pause for a time that the server gave, in seconds: longer at random by up to a fifth. */
export function stretched(clock: Clock, seconds: number): number {
  return seconds * 1000 * (1 + clock.random() / 5);
}
