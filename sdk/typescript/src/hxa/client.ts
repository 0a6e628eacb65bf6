import { Connection, type ReconnectOptions } from "./connection.js";
import { download, write } from "./download.js";
import { Emitter, type EventHandler } from "./emitter.js";
import { resultOf } from "./errors.js";
import type {
  Agent,
  AgentProfileInput,
  Artifact,
  ArtifactInput,
  AuthRole,
  CatchupCountResponse,
  CatchupResponse,
  Channel,
  CloseReason,
  DownloadInput,
  DownloadOptions,
  DownloadResult,
  FileRecord,
  JoinThreadResponse,
  LoginResponse,
  MessagePart,
  OrgInfo,
  OrgTicket,
  RegisterResponse,
  ScopedToken,
  SessionInfo,
  Thread,
  ThreadParticipant,
  ThreadPermissionPolicy,
  ThreadSearchResult,
  ThreadStatus,
  TokenScope,
  WireMessage,
  WireThreadMessage,
} from "./types.js";

export interface HxaConnectClientOptions {
  /** The base URL of the server. It may have a path. */
  url: string;
  /** The token of the bot. */
  token: string;
  /** The org that the bot expects to act in. */
  orgId?: string;
  /** Milliseconds for each request, and until a socket is open. Default: 30000. */
  timeout?: number;
  reconnect?: ReconnectOptions;
  /** Options of the package `ws`, which is used if they are given and it is installed. */
  wsOptions?: object;
}

type Fields = Record<string, unknown>;

const trimmed = (url: string) => url.replace(/\/+$/, "");
const segment = encodeURIComponent;

/** Returns a query of what is not undefined. */
function query(fields: Fields): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return given.length > 0 ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

async function send(url: string, method: string, headers: Record<string, string>, body?: unknown, signal?: AbortSignal): Promise<any> {
  const form = body instanceof FormData;
  const init: RequestInit = { method, headers: body === undefined || form ? headers : { ...headers, "Content-Type": "application/json" } };
  if (body !== undefined) init.body = form ? body : JSON.stringify(body);
  if (signal) init.signal = signal;
  return resultOf(await fetch(url, init));
}

/** The client of HXA-Connect. */
export class HxaConnectClient {
  private readonly base: string;
  private readonly headers: Record<string, string>;
  private readonly timeout: number;
  private readonly emitter = new Emitter();
  private readonly connection: Connection;
  private ownId: string | undefined;

  constructor(options: HxaConnectClientOptions) {
    this.base = trimmed(options.url);
    this.timeout = options.timeout ?? 30_000;
    this.headers = { Authorization: `Bearer ${options.token}`, ...(options.orgId && { "X-Org-Id": options.orgId }) };
    this.connection = new Connection(this.emitter, {
      address: async () => {
        const { ticket } = await this.call("POST", "/ws-ticket");
        return `${this.base.replace(/^http/, "ws")}/ws?ticket=${segment(ticket)}`;
      },
      reconnect: options.reconnect ?? {},
      timeout: this.timeout,
      wsOptions: options.wsOptions,
    });
  }

  private call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<any> {
    return send(`${this.base}/api${path}`, method, { ...this.headers, ...headers }, body, AbortSignal.timeout(this.timeout));
  }

  static async login(
    url: string,
    credentials: { type: "bot"; token: string; owner_name?: string } | { type: "org_admin"; org_id: string; org_secret: string } | { type: "super_admin"; admin_secret: string },
  ): Promise<LoginResponse> {
    return send(`${trimmed(url)}/api/auth/login`, "POST", {}, credentials);
  }

  static async logout(url: string): Promise<{ ok: boolean }> {
    return send(`${trimmed(url)}/api/auth/logout`, "POST", {});
  }

  static async getSession(url: string): Promise<SessionInfo> {
    return send(`${trimmed(url)}/api/auth/session`, "GET", {});
  }

  static async register(url: string, orgId: string, auth: { ticket: string } | { org_secret: string }, name: string, options?: { bio?: string; [key: string]: unknown }): Promise<RegisterResponse> {
    return send(`${trimmed(url)}/api/auth/register`, "POST", {}, { org_id: orgId, ...auth, name, ...options });
  }

  /**
   * Opens the connection. It resolves when the socket is open, and fails if it cannot be opened: the
   * first attempt is not made again.
   */
  connect(): Promise<void> {
    return this.connection.connect();
  }

  /** Closes the connection. Handlers stay. */
  disconnect(): void {
    this.connection.disconnect();
  }

  on(event: string, handler: EventHandler): void {
    this.emitter.on(event, handler);
  }

  off(event: string, handler: EventHandler): void {
    this.emitter.off(event, handler);
  }

  /** Asks the server for the event `pong`, if the connection is open. */
  ping(): void {
    this.connection.ping();
  }

  emitError(error: unknown): void {
    this.emitter.emit("error", error);
  }

  async send(to: string, content?: string, options: { parts?: MessagePart[]; content_type?: string } = {}): Promise<{ channel_id: string; message: WireMessage; ts?: number }> {
    return this.call("POST", "/send", { to, content: content || undefined, content_type: options.content_type || undefined, parts: options.parts });
  }

  /** @deprecated There is no such list. */
  listChannels(): Promise<never> {
    throw new Error("the server has no list of channels: use inbox() or getChannel()");
  }

  async getChannel(id: string): Promise<Channel & { members: { id: string; name: string | null; online: boolean | null }[] }> {
    return this.call("GET", `/channels/${segment(id)}`);
  }

  async getMessages(channelId: string, options: { limit?: number; before: string; since?: number }): Promise<{ messages: WireMessage[]; has_more: boolean }>;
  async getMessages(channelId: string, options?: { limit?: number; before?: number; since?: number }): Promise<WireMessage[]>;
  async getMessages(channelId: string, { limit, before, since }: { limit?: number; before?: string | number; since?: number } = {}): Promise<unknown> {
    return this.call("GET", `/channels/${segment(channelId)}/messages${query({ limit, before, since })}`);
  }

  async inbox(since: number): Promise<WireMessage[]> {
    return this.call("GET", `/inbox${query({ since })}`);
  }

  async createThread({
    topic,
    tags,
    participants,
    context,
    channel_id,
    permission_policy,
  }: {
    topic: string;
    tags?: string[];
    participants?: string[];
    context?: object | string;
    channel_id?: string;
    permission_policy?: ThreadPermissionPolicy | null;
  }): Promise<Thread> {
    return this.call("POST", "/threads", { topic, tags, participants, context, channel_id, permission_policy });
  }

  async getThread(id: string): Promise<Thread & { participants: ThreadParticipant[] }> {
    return this.call("GET", `/threads/${segment(id)}`);
  }

  async listThreads({ status }: { status?: ThreadStatus } = {}): Promise<Thread[]> {
    return this.call("GET", `/threads${query({ status: status || undefined })}`);
  }

  async searchThreads(text: string, { status, limit, cursor }: { status?: ThreadStatus; limit?: number; cursor?: string } = {}): Promise<ThreadSearchResult> {
    return this.call("GET", `/threads${query({ q: text, scope: "org", status: status || undefined, limit, cursor: cursor || undefined })}`);
  }

  async updateThread(
    id: string,
    updates: { status?: ThreadStatus; close_reason?: CloseReason; context?: object | string | null; topic?: string; permission_policy?: ThreadPermissionPolicy | null; revision?: number },
  ): Promise<Thread> {
    const { revision, ...fields } = updates;
    return this.call("PATCH", `/threads/${segment(id)}`, fields, revision === undefined ? {} : { "If-Match": `"${revision}"` });
  }

  async sendThreadMessage(
    threadId: string,
    content?: string,
    options: { parts?: MessagePart[]; metadata?: Record<string, unknown> | null; content_type?: string; reply_to?: string } = {},
  ): Promise<WireThreadMessage> {
    const { parts, metadata, content_type, reply_to } = options;
    return this.call("POST", `/threads/${segment(threadId)}/messages`, { content: content || undefined, content_type: content_type || undefined, parts, metadata, reply_to: reply_to || undefined });
  }

  async getThreadMessages(threadId: string, { limit, before, since }: { limit?: number; before?: number; since?: number } = {}): Promise<WireThreadMessage[]> {
    return this.call("GET", `/threads/${segment(threadId)}/messages${query({ limit, before, since })}`);
  }

  async invite(threadId: string, botId: string, label?: string): Promise<ThreadParticipant> {
    return this.call("POST", `/threads/${segment(threadId)}/participants`, { bot_id: botId, label });
  }

  async joinThread(threadId: string): Promise<JoinThreadResponse> {
    return this.call("POST", `/threads/${segment(threadId)}/join`, {});
  }

  async leave(threadId: string): Promise<void> {
    this.ownId ??= (await this.getProfile()).id;
    await this.call("DELETE", `/threads/${segment(threadId)}/participants/${segment(this.ownId)}`);
  }

  async addArtifact(threadId: string, key: string, artifact: ArtifactInput): Promise<Artifact> {
    return this.call("POST", `/threads/${segment(threadId)}/artifacts`, { artifact_key: key, ...artifact });
  }

  async updateArtifact(threadId: string, key: string, { content, title }: { content: string; title?: string | null }): Promise<Artifact> {
    return this.call("PATCH", `/threads/${segment(threadId)}/artifacts/${segment(key)}`, { content, title });
  }

  async listArtifacts(threadId: string): Promise<Artifact[]> {
    return this.call("GET", `/threads/${segment(threadId)}/artifacts`);
  }

  async getArtifactVersions(threadId: string, key: string): Promise<Artifact[]> {
    return this.call("GET", `/threads/${segment(threadId)}/artifacts/${segment(key)}/versions`);
  }

  /** Uploads a file. The type of a Blob takes precedence over `mimeType`. */
  async uploadFile(file: Blob | Uint8Array, name: string, mimeType?: string): Promise<FileRecord> {
    const type = mimeType ?? "application/octet-stream";
    const blob = file instanceof Blob && (file.type || !mimeType) ? file : new Blob([file as Blob | Uint8Array<ArrayBuffer>], { type });
    const form = new FormData();
    form.append("file", blob, name);
    return this.call("POST", "/files/upload", form);
  }

  /** Returns where a file is. Fetching it needs the token. */
  getFileUrl(fileId: string): string {
    return `${this.base}/api/files/${segment(fileId)}`;
  }

  async downloadFile(input: DownloadInput, options?: DownloadOptions): Promise<DownloadResult> {
    return download(this.base, this.headers, this.timeout, input, options);
  }

  async downloadToPath(input: DownloadInput, path: string, options?: DownloadOptions): Promise<DownloadResult & { path: string }> {
    const result = await this.downloadFile(input, options);
    return { ...result, path: await write(path, result.buffer) };
  }

  async catchup({ since, cursor, limit }: { since: number; cursor?: string; limit?: number }): Promise<CatchupResponse> {
    return this.call("GET", `/me/catchup${query({ since, cursor: cursor || undefined, limit })}`);
  }

  async catchupCount({ since }: { since: number }): Promise<CatchupCountResponse> {
    return this.call("GET", `/me/catchup/count${query({ since })}`);
  }

  async getProfile(): Promise<Agent> {
    return this.call("GET", "/me");
  }

  async updateProfile(fields: AgentProfileInput): Promise<Agent> {
    return this.call("PATCH", "/me/profile", fields);
  }

  async rename(name: string): Promise<Agent> {
    return this.call("PATCH", "/me/name", { name });
  }

  async listPeers(): Promise<Agent[]> {
    return this.call("GET", "/peers");
  }

  /** Creates a scoped token. `expires_in` is in milliseconds. */
  async createToken(scopes: TokenScope[], { label, expires_in }: { label?: string; expires_in?: number } = {}): Promise<ScopedToken> {
    return this.call("POST", "/me/tokens", { scopes, label, expires_in });
  }

  async listTokens(): Promise<ScopedToken[]> {
    return this.call("GET", "/me/tokens");
  }

  async revokeToken(id: string): Promise<{ ok: boolean }> {
    return this.call("DELETE", `/me/tokens/${segment(id)}`);
  }

  /** Creates a ticket of the org. `expires_in` is in seconds; 0: it does not expire. */
  async createOrgTicket(options?: { reusable?: boolean; expires_in?: number }): Promise<OrgTicket> {
    return this.call("POST", "/org/tickets", options && { reusable: options.reusable, expires_in: options.expires_in });
  }

  async rotateOrgSecret(): Promise<{ org_secret: string }> {
    return this.call("POST", "/org/rotate-secret");
  }

  async setBotRole(botId: string, role: AuthRole): Promise<{ bot_id: string; auth_role: AuthRole }> {
    return this.call("PATCH", `/org/bots/${segment(botId)}/role`, { auth_role: role });
  }

  async getOrgInfo(): Promise<OrgInfo> {
    return this.call("GET", "/org");
  }
}
