// The client: every operation as a method, under the names of the clients of HXA-Connect as well.
import { fieldsOf, type Content } from "./content.js";
import { fileId, readFile, type Download, type DownloadOptions } from "./download.js";
import { B2BError } from "./error.js";
import type {
  Artifact,
  AuthRole,
  Bot,
  ChannelMessage,
  CountCatchupEventsRequest,
  CountCatchupEventsResponse,
  DeleteTokenResponse,
  File,
  InboxMessage,
  ListArtifactVersionsRequest,
  ListCatchupEventsRequest,
  ListCatchupEventsResponse,
  ListChannelMessagesRequest,
  ListChannelMessagesResponse,
  ListThreadMessagesRequest,
  ListThreadMessagesResponse,
  ListThreadsRequest,
  ListThreadsResponse,
  MessageEvent,
  Org,
  Participant,
  RotateOrgSecretRequest,
  RotateOrgSecretResponse,
  SendDirectMessageRequest,
  SendDirectMessageResponse,
  SendThreadMessageRequest,
  ThreadMessage,
  ThreadMessageEvent,
  UpdateBotRoleResponse,
  UploadFileRequest,
} from "./gen/rest/types.js";
import { Inbox, type InboxOptions } from "./inbox/inbox.js";
import { Listener } from "./listen/listener.js";
import type { Handler, ListenOptions } from "./listen/options.js";
import * as operations from "./operations.js";
import { Rest } from "./rest.js";
import { retrying, type RetryOptions } from "./retry.js";
import { baseOf, httpTransport, type CallOptions, type HttpOptions, type Transport } from "./transport.js";

/** Options of a client. */
export interface ClientOptions extends HttpOptions {
  /** The primary or a scoped token of a bot. */
  token: string;
  /** How calls are made again; false: each is made once. */
  retry?: RetryOptions | false | undefined;
}

type DirectMessage = Omit<SendDirectMessageRequest, "to">;

// Rest without the methods that the client has in a wider form.
const Base = Rest as new (transport: Transport) => Omit<Rest, "rotateOrgSecret" | "sendThreadMessage" | "uploadFile">;

/**
 * A client of a bot. It has every operation of the API as a method, and shorter names for what bots
 * do most.
 */
export class B2BClient extends Base {
  readonly #base: string;
  readonly #http: Transport;
  readonly #transport: Transport;
  #me: Promise<Bot> | undefined;

  constructor(options: ClientOptions) {
    if (!options?.token) {
      throw new TypeError("the option token is missing: give the token of the bot. If it comes from a variable, is that set?");
    }
    const http = httpTransport(options);
    const transport = options.retry === false ? http : retrying(http, options.retry);
    super(transport);
    this.#http = http;
    this.#transport = transport;
    this.#base = baseOf(options.url);
  }

  /** Sends a direct message to a bot, given by its name or id. */
  async send(to: string, content: Content<DirectMessage>, options?: CallOptions): Promise<SendDirectMessageResponse> {
    return operations.sendDirectMessage(this.#transport, { to, ...fieldsOf(content) }, options);
  }

  /** Sends a message to a thread. */
  async sendThreadMessage(threadId: string, content: Content<SendThreadMessageRequest> = {}, options?: CallOptions): Promise<ThreadMessage> {
    return operations.sendThreadMessage(this.#transport, threadId, fieldsOf(content), options);
  }

  /**
   * Answers a message where it was sent: in its thread, as a reply to it, or as a direct message to
   * the other bot of its channel.
   */
  async reply(to: ThreadMessageEvent | ThreadMessage, content: Content<SendThreadMessageRequest>, options?: CallOptions): Promise<ThreadMessage>;
  async reply(to: MessageEvent | ChannelMessage | InboxMessage, content: Content<DirectMessage>, options?: CallOptions): Promise<SendDirectMessageResponse>;
  async reply(
    to: MessageEvent | ThreadMessageEvent | ChannelMessage | InboxMessage | ThreadMessage,
    content: Content<SendThreadMessageRequest>,
    options?: CallOptions,
  ): Promise<ThreadMessage | SendDirectMessageResponse> {
    const message = "message" in to ? to.message : to;
    if ("thread_id" in message) {
      return this.sendThreadMessage(message.thread_id, { reply_to: message.id, ...fieldsOf(content) }, options);
    }
    return this.send(await this.#otherParty(message, options), content, options);
  }

  /** Returns the other bot of a channel than the own one. */
  async #otherParty({ channel_id, sender_id }: ChannelMessage, options?: CallOptions): Promise<string> {
    const own = await this.#own(options).catch((error: unknown) => {
      if (error instanceof B2BError && error.code === "INSUFFICIENT_SCOPE") {
        return undefined; // a token that can send, but not read
      }
      throw error;
    });
    if (own?.id !== sender_id) {
      return sender_id;
    }
    const { members } = await this.getChannel(channel_id, {}, options);
    return members.find(({ id }) => id !== sender_id)?.id ?? sender_id;
  }

  /** Returns the own bot, and asks the server only the first time. */
  #own({ timeout }: CallOptions = {}): Promise<Bot> {
    this.#me ??= this.getMe({}, { timeout }).catch((error: unknown) => {
      this.#me = undefined;
      throw error;
    });
    return this.#me;
  }

  /**
   * Listens to the events of the bot, from now on or from where an earlier listener ended. Iterate
   * over the listener; it reconnects, and ends when it is closed.
   */
  listen(options?: ListenOptions): Listener {
    return new Listener(this.#base, this.#http, options);
  }

  /** Listens, and calls a handler with each event, one after the other, until the signal is aborted. */
  run(handler: Handler, options?: ListenOptions): Promise<void> {
    return this.listen(options).run(handler);
  }

  /** Lists the messages of a channel. */
  getMessages(channelId: string, fields?: ListChannelMessagesRequest, options?: CallOptions): Promise<ListChannelMessagesResponse> {
    return this.listChannelMessages(channelId, fields, options);
  }

  /** Lists the messages of a thread. */
  getThreadMessages(threadId: string, fields?: ListThreadMessagesRequest, options?: CallOptions): Promise<ListThreadMessagesResponse> {
    return this.listThreadMessages(threadId, fields, options);
  }

  /**
   * Returns a worker of the own inbox, which claims deliveries and settles them. Iterate over it, or
   * give a handler to its `run`.
   */
  inbox(options?: InboxOptions): Inbox;
  /** Returns the direct messages since a time in Unix milliseconds. */
  inbox(since: number, options?: CallOptions): Promise<InboxMessage[]>;
  inbox(given: number | InboxOptions = {}, options?: CallOptions): Inbox | Promise<InboxMessage[]> {
    return typeof given === "object" ? new Inbox(this, this.#http, given) : this.getInbox({ since: given }, options);
  }

  /** Finds threads of the org by their topic. */
  searchThreads(q: string, fields?: Omit<ListThreadsRequest, "q" | "scope">, options?: CallOptions): Promise<ListThreadsResponse> {
    return this.listThreads({ ...fields, q, scope: "org" }, options);
  }

  /** Adds a bot to a thread, given by its id or name. */
  invite(threadId: string, bot: string, label?: string, options?: CallOptions): Promise<Participant> {
    return this.addParticipant(threadId, { bot_id: bot, label }, options);
  }

  /** Leaves a thread. */
  async leave(threadId: string, options?: CallOptions): Promise<void> {
    const { id } = await this.#own(options);
    await this.removeParticipant(threadId, id, {}, options);
  }

  /** Lists all versions of an artifact, oldest first. */
  getArtifactVersions(threadId: string, key: string, fields?: ListArtifactVersionsRequest, options?: CallOptions): Promise<Artifact[]> {
    return this.listArtifactVersions(threadId, key, fields, options);
  }

  /** Stores a file. Its media type is that of the fields, of a Blob, or else text/plain. */
  uploadFile(
    data: Blob | Uint8Array<ArrayBuffer> | ArrayBuffer | string,
    fields: UploadFileRequest | string = {},
    options?: CallOptions,
  ): Promise<File> {
    const blob = data instanceof Blob ? data : new Blob([data]);
    return operations.uploadFile(this.#transport, blob, typeof fields === "string" ? { name: fields } : fields, options);
  }

  /** Reads a file, given by its id or its relative URL, into memory. */
  async downloadFile(file: string, { maxBytes, ...options }: DownloadOptions = {}): Promise<Download> {
    return await readFile(await this.getFile(fileId(file), {}, options), maxBytes);
  }

  /** Returns the URL of a file. Requests to it need the token. */
  getFileUrl(fileId: string): string {
    return `${this.#base}/api/files/${encodeURIComponent(fileId)}`;
  }

  /** Lists what the bot missed since a time. */
  catchup(fields: ListCatchupEventsRequest, options?: CallOptions): Promise<ListCatchupEventsResponse> {
    return this.listCatchupEvents(fields, options);
  }

  /** Counts what the bot missed since a time. */
  catchupCount(fields: CountCatchupEventsRequest, options?: CallOptions): Promise<CountCatchupEventsResponse> {
    return this.countCatchupEvents(fields, options);
  }

  /** Returns the own bot. */
  getProfile(options?: CallOptions): Promise<Bot> {
    return this.getMe({}, options);
  }

  /** Gives the own bot another name. */
  rename(name: string, options?: CallOptions): Promise<Bot> {
    return this.renameMe({ name }, options);
  }

  /** Revokes a scoped token. */
  revokeToken(id: string, options?: CallOptions): Promise<DeleteTokenResponse> {
    return this.deleteToken(id, {}, options);
  }

  /** Returns the own org. */
  getOrgInfo(options?: CallOptions): Promise<Org> {
    return this.getOrg({}, options);
  }

  /** Makes a bot of the org an admin, or no admin. */
  setBotRole(botId: string, role: AuthRole, options?: CallOptions): Promise<UpdateBotRoleResponse> {
    return this.updateBotRole(botId, { auth_role: role }, options);
  }

  /** Replaces the secret of the own org, or as a super admin that of another. */
  rotateOrgSecret(orgId?: string, fields?: RotateOrgSecretRequest, options?: CallOptions): Promise<RotateOrgSecretResponse> {
    return orgId === undefined ? this.rotateSecret(fields, options) : operations.rotateOrgSecret(this.#transport, orgId, fields, options);
  }
}
