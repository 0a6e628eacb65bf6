// A delivery in the hands of a program (B2B-SDK-042 to B2B-SDK-045).
import { jittered, type Clock } from "../clock.js";
import { fieldsOf, type Content } from "../content.js";
import { B2BError } from "../error.js";
import type {
  Bot,
  ChannelWithMembers,
  Delivery,
  DeliveryContext,
  DeliveryKind,
  DeliveryWaitsFor,
  Event,
  ExtendDeliveryRequest,
  NackDeliveryRequest,
  ProgressDeliveryRequest,
  SendDirectMessageRequest,
  SendDirectMessageResponse,
  SendThreadMessageRequest,
  SettlesInput,
  ThreadMessage,
  WaitDeliveryRequest,
} from "../gen/rest/types.js";
import { errorOfCode, FIRST_PAUSE, MOST_PAUSE } from "../listen/ends.js";
import type { CallOptions } from "../transport.js";

/** What items ask of a client. */
export interface InboxClient {
  ackDelivery(id: string, fields: { lease: string }): Promise<unknown>;
  nackDelivery(id: string, fields: NackDeliveryRequest): Promise<unknown>;
  extendDelivery(id: string, fields: ExtendDeliveryRequest, options?: CallOptions): Promise<unknown>;
  progressDelivery(id: string, fields: ProgressDeliveryRequest): Promise<unknown>;
  waitDelivery(id: string, fields: WaitDeliveryRequest): Promise<unknown>;
  send(to: string, fields: Omit<SendDirectMessageRequest, "to">): Promise<SendDirectMessageResponse>;
  sendThreadMessage(threadId: string, fields: SendThreadMessageRequest): Promise<ThreadMessage>;
  getChannel(id: string): Promise<ChannelWithMembers>;
  getMe(): Promise<Bot>;
}

/** What items need of the worker that has them. */
export interface Keeper {
  readonly client: InboxClient;
  readonly clock: Clock;
  readonly leaseSeconds: number;
  /** An item is answered or lost. */
  over(item: InboxItem): void;
  report(error: unknown, item: InboxItem): void;
}

/** A delivery that was handed out. Its lease is extended until it is answered or lost. */
export class InboxItem {
  readonly id: string;
  /** Why it is addressed to the bot. */
  readonly kind: DeliveryKind;
  /** How often it was handed out. */
  readonly attempt: number;
  /** The thread of the event. */
  readonly thread_id: string | undefined;
  /** The channel of the event. */
  readonly channel_id: string | undefined;
  /** When the event happened, in Unix milliseconds. */
  readonly created_at: number;
  /** The event; undefined if it is no longer in the log, or if the token may not receive it. */
  readonly event: Event | undefined;
  /** What is needed to act on it, with the option `context`. */
  readonly context: DeliveryContext | undefined;
  readonly #keeper: Keeper;
  readonly #controller = new AbortController();
  readonly #settles: SettlesInput;
  #calls: Promise<unknown> = Promise.resolve();
  #cancel = () => {};
  /** When the lease ends, by the clock of this program. */
  #ends = 0;
  #answered = false;
  /** The program has read `settles`, so it may have settled the delivery. */
  #taken = false;
  #lost: { error: unknown } | undefined;

  /** The lease may have begun earlier than now: then it is extended at once. */
  constructor(keeper: Keeper, delivery: Delivery, earlier: boolean) {
    this.id = delivery.id;
    this.kind = delivery.kind;
    this.attempt = delivery.attempt;
    this.thread_id = delivery.thread_id;
    this.channel_id = delivery.channel_id;
    this.created_at = delivery.created_at;
    this.event = delivery.event;
    this.context = delivery.context;
    this.#settles = { delivery_id: delivery.id, lease: delivery.lease! };
    this.#keeper = keeper;
    this.#keep(keeper.leaseSeconds, keeper.clock.now());
    if (earlier) {
      this.#later(0, 0);
    }
  }

  /**
   * The field `settles` of a message, of an artifact or of a change of a thread: the change and the
   * settling both happen, or neither.
   */
  get settles(): SettlesInput {
    this.#taken = true;
    return { ...this.#settles };
  }

  /** Is aborted when the delivery is lost, or the worker stops. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether its lease has ended: it must not be acted on any more, since another worker does. */
  get lost(): boolean {
    return this.#lost !== undefined;
  }

  /**
   * Answers where the event happened, in a thread as a reply to its message, and settles the delivery
   * in the same call. The same reply again, e.g. after no response, is one message.
   */
  reply(content: Content<SendThreadMessageRequest>): Promise<ThreadMessage | SendDirectMessageResponse> {
    return this.#answer(() => this.#send({ request_id: this.#settles.lease, ...fieldsOf(content), settles: this.#settles }));
  }

  /** Settles the delivery without an answer. */
  async ack(): Promise<void> {
    await this.#answer(() => this.#keeper.client.ackDelivery(this.id, { lease: this.#settles.lease }));
  }

  /**
   * Gives the delivery back: it is handed out again after `retryIn` seconds, by default later with each
   * attempt; with `final` not by itself.
   */
  async nack({ retryIn, reason, final }: { retryIn?: number | undefined; reason?: string | undefined; final?: boolean | undefined } = {}): Promise<void> {
    await this.#answer(() => this.#keeper.client.nackDelivery(this.id, { lease: this.#settles.lease, retry_in_seconds: retryIn, reason, final }));
  }

  /**
   * Puts the delivery aside for a person or another bot. It is handed out again when something else in
   * its thread or channel is addressed to the bot, or after `resumeIn` seconds, by default a day.
   */
  async wait(on: DeliveryWaitsFor, { reason, resumeIn }: { reason?: string | undefined; resumeIn?: number | undefined } = {}): Promise<void> {
    await this.#answer(() => this.#keeper.client.waitDelivery(this.id, { lease: this.#settles.lease, on, reason, resume_in_seconds: resumeIn }));
  }

  /** Says what the program does, for others to read, and extends the lease. */
  progress(text: string): Promise<void> {
    const { client, clock, leaseSeconds } = this.#keeper;
    return this.#call(async () => {
      const begun = clock.now();
      await client.progressDelivery(this.id, { lease: this.#settles.lease, text, lease_seconds: leaseSeconds });
      this.#keep(leaseSeconds, begun);
    });
  }

  /** Sets a new end of the lease, in seconds from now on. This is done without it, as long as the program has the item. */
  extend(seconds: number): Promise<void> {
    return this.#extend(seconds);
  }

  /** Answers for the program if it has not: gives the delivery back, or settles it. @internal */
  async finish(back?: Omit<NackDeliveryRequest, "lease">): Promise<void> {
    const { client } = this.#keeper;
    const { lease } = this.#settles;
    try {
      await this.#call(async () => {
        if (!this.#answered) {
          await (back ? client.nackDelivery(this.id, { ...back, lease }) : client.ackDelivery(this.id, { lease }));
        }
      });
    } catch (error) {
      if (!this.#answered) {
        this.#keeper.report(error, this); // the lease ends by itself
      }
    } finally {
      this.#over();
    }
  }

  /** The worker stops. @internal */
  stop(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Makes one call after the other, so that a lease is not extended after its delivery was put aside. */
  #call<T>(make: () => Promise<T>): Promise<T> {
    const result = this.#calls.then(async () => {
      if (this.#lost) {
        throw this.#lost.error;
      }
      try {
        return await make();
      } catch (error) {
        if (!this.#answered && error instanceof B2BError && error.code === "LEASE_LOST") {
          this.#taken ? this.#over() : this.#lose(error); // a call of the program may have settled it
        }
        throw error;
      }
    });
    this.#calls = result.catch(() => {});
    return result;
  }

  #over(): void {
    this.#answered = true;
    this.#cancel();
    this.#keeper.over(this);
  }

  #answer<T>(make: () => Promise<T>): Promise<T> {
    return this.#call(async () => {
      const result = await make();
      this.#over();
      return result;
    });
  }

  async #send(fields: SendThreadMessageRequest): Promise<ThreadMessage | SendDirectMessageResponse> {
    const { event, thread_id, channel_id } = this;
    const { client } = this.#keeper;
    if (thread_id !== undefined) {
      return client.sendThreadMessage(thread_id, { ...(event?.type === "thread_message" && { reply_to: event.message.id }), ...fields });
    }
    if (channel_id === undefined) {
      throw new TypeError(`a delivery of the kind ${this.kind} has no thread and no channel: settle it with ack`);
    }
    if (event?.type === "message") {
      return client.send(event.message.sender_id, fields);
    }
    const [{ id }, { members }] = await Promise.all([client.getMe(), client.getChannel(channel_id)]);
    return client.send(members.find((member) => member.id !== id)?.id ?? id, fields);
  }

  #extend(seconds: number, options?: CallOptions): Promise<void> {
    return this.#call(async () => {
      if (!options || !this.#answered) {
        const begun = this.#keeper.clock.now();
        await this.#keeper.client.extendDelivery(this.id, { lease: this.#settles.lease, lease_seconds: seconds }, options);
        this.#keep(seconds, begun);
      }
    });
  }

  /** The lease lasts for so long from some time on, and is extended when a third of that has passed from now on. */
  #keep(seconds: number, begun: number): void {
    this.#answered = false; // what was put aside is taken up again
    this.#ends = begun + seconds * 1000;
    this.#later((seconds * 1000) / 3, 0);
  }

  #later(milliseconds: number, failures: number): void {
    this.#cancel();
    this.#cancel = this.#keeper.clock.after(milliseconds, () => void this.#renew(failures));
  }

  async #renew(failures: number): Promise<void> {
    const { clock, leaseSeconds } = this.#keeper;
    const left = this.#ends - clock.now();
    if (left <= 0) {
      return this.#lose(errorOfCode("LEASE_LOST", "the lease of the delivery could not be extended in time"));
    }
    try {
      await this.#extend(leaseSeconds, { timeout: Math.min(left, (leaseSeconds * 1000) / 3) });
    } catch {
      if (!this.#answered && !this.#lost) {
        this.#later(Math.max(0, Math.min(this.#ends - clock.now(), jittered(clock, FIRST_PAUSE, MOST_PAUSE, failures))), failures + 1);
      }
    }
  }

  #lose(error: unknown): void {
    this.#over();
    this.#lost = { error };
    this.#controller.abort(error);
    this.#keeper.report(error, this);
  }
}
