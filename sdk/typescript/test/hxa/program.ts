// A program that was written for the SDK of HXA-Connect. It uses every value, method and type of its
// documented interface, against the server in HXA_URL with the token of an admin in HXA_TOKEN.
import {
  ApiError,
  DownloadError,
  HxaConnectClient,
  ThreadContext,
  formatThreadLifecycleEvent,
  getProtocolGuide,
  type Agent,
  type AgentProfileInput,
  type Artifact,
  type ArtifactInput,
  type ArtifactType,
  type AuditAction,
  type AuditEntry,
  type AuthRole,
  type BotProtocols,
  type CatchupCountResponse,
  type CatchupEvent,
  type CatchupEventEnvelope,
  type CatchupResponse,
  type Channel,
  type CloseReason,
  type DownloadInput,
  type DownloadOptions,
  type DownloadResult,
  type EventHandler,
  type FileRecord,
  type HxaConnectClientOptions,
  type JoinThreadResponse,
  type LoginResponse,
  type MentionRef,
  type MentionTrigger,
  type MessagePart,
  type OrgInfo,
  type OrgSettings,
  type OrgStatus,
  type OrgTicket,
  type ReconnectOptions,
  type RegisterResponse,
  type ReplyToMessage,
  type ScopedToken,
  type SessionInfo,
  type SessionRole,
  type Thread,
  type ThreadContextOptions,
  type ThreadLifecycleEvent,
  type ThreadLifecycleEventMode,
  type ThreadLifecycleEventType,
  type ThreadLifecycleOptions,
  type ThreadParticipant,
  type ThreadPermissionPolicy,
  type ThreadSearchResult,
  type ThreadSnapshot,
  type ThreadStatus,
  type TokenScope,
  type WebhookHealth,
  type WireMessage,
  type WireThreadMessage,
  type WsClientEvent,
  type WsServerEvent,
} from "@coco-xyz/hxa-connect-sdk";

declare const process: { env: Record<string, string | undefined>; exit(code: number): never };

function check(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`not true: ${what}`);
}

async function fails<E extends Error>(promise: Promise<unknown>, kind: new (...given: any[]) => E, what: string): Promise<E> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  check(error instanceof kind, `${what} fails with ${kind.name}, not ${error}`);
  return error;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 30_000; !condition(); await new Promise((done) => setTimeout(done, 5))) {
    check(Date.now() < end, `in time: ${what}`);
  }
}

const url = process.env.HXA_URL!;
const reconnect: ReconnectOptions = { enabled: true, initialDelay: 10, maxDelay: 100, backoffFactor: 2, maxAttempts: 5 };
const options: HxaConnectClientOptions = { url: `${url}/`, token: process.env.HXA_TOKEN!, timeout: 30_000, reconnect, wsOptions: { maxPayload: 1 << 20 } };
const admin = new HxaConnectClient(options);

// The org and its bots
const org: OrgInfo = await admin.getOrgInfo();
const status: OrgStatus = org.status;
check(status === "active" && org.name, "the org is active");
const ticket: OrgTicket = await admin.createOrgTicket({ reusable: true, expires_in: 600 });
check(!(await admin.createOrgTicket()).reusable && ticket.reusable && ticket.expires_at > Date.now(), "tickets");
const name = `worker-${Date.now().toString(36)}`;
const registered: RegisterResponse = await HxaConnectClient.register(url, org.id, { ticket: ticket.ticket }, name, { bio: "works", tags: ["a"] });
check(registered.bot_id === registered.id && registered.bio === "works" && registered.token, "register");
const worker = new HxaConnectClient({ url, token: registered.token, orgId: org.id });
const me: Agent = await worker.getProfile();
check(me.name === name && me.tags?.[0] === "a", "getProfile");
const protocols: BotProtocols = { version: "1", messaging: true, threads: true, streaming: false };
const profile: AgentProfileInput = { role: "tester", status_text: null, protocols, version: "2.0.0" };
check((await worker.updateProfile(profile)).role === "tester", "updateProfile");
check((await worker.rename(`${name}-b`)).name === `${name}-b`, "rename");
check((await worker.rename(name)).name === name, "rename back");
const boss = await admin.getProfile();
check((await admin.listPeers()).some(({ id }) => id === me.id), "listPeers");
const role: AuthRole = (await admin.setBotRole(me.id, "member")).auth_role;
check(role === "member", "setBotRole");

// Sessions. Outside of browsers their cookie is lost.
const login: LoginResponse = await HxaConnectClient.login(url, { type: "bot", token: registered.token, owner_name: "Ada" });
const session: SessionRole = login.session.role;
check(session === "bot_owner" && login.session.bot_id === me.id, "login");
check((await fails(HxaConnectClient.getSession(url), ApiError, "getSession")).status === 401, "getSession is 401");
const lost: SessionInfo | undefined = await HxaConnectClient.getSession(url).catch(() => undefined);
check(!lost && (await fails(HxaConnectClient.logout(url), ApiError, "logout")).body.code === "AUTH_REQUIRED", "logout is 401");

// Tokens
const scope: TokenScope = "read";
const token: ScopedToken = await worker.createToken([scope], { label: "reader", expires_in: 60_000 });
check(token.token && token.label === "reader" && token.expires_at! < Date.now() + 120_000, "createToken, in milliseconds");
check((await worker.listTokens()).some((one) => one.id === token.id && !("token" in one)), "listTokens");
const reader = new HxaConnectClient({ url, token: token.token });
const refused = await fails(reader.send(boss.name, "no"), ApiError, "send without scope");
check(refused.status === 403 && refused.body.code === "INSUFFICIENT_SCOPE" && refused.message === refused.body.error && refused.name === "ApiError", "an ApiError");
check((await worker.revokeToken(token.id)).ok, "revokeToken");

// The connection and its events
const events: WsServerEvent[] = [];
const all: EventHandler = (event: WsServerEvent) => events.push(event);
worker.on("*", all);
const closes: { code: number }[] = [];
worker.on("close", (event) => closes.push(event));
await worker.connect();
let pongs = 0;
worker.on("pong", () => pongs++);
worker.ping();
await until(() => pongs === 1, "pong");
const seen = (type: WsServerEvent["type"]) => events.some((event) => event.type === type);

// Direct messages
const start = Date.now() - 60_000;
const parts: MessagePart[] = [{ type: "text", content: "hello" }, { type: "json", content: { n: 1 } }, { type: "image", url: "/x.png", alt: "x" }];
const sent = await admin.send(name, "hello", { parts, content_type: "text" });
const message: WireMessage = sent.message;
check(message.content === "hello" && message.parts.length === 3, "send");
const more = await admin.send(me.id, "", { parts: [{ type: "link", url: "https://example.com" }] });
check(more.channel_id === sent.channel_id && more.message.content === "[link]", "send of parts alone");
await until(() => events.filter(({ type }) => type === "message").length === 2, "the event message");
const channel: Channel & { members: { name: string | null }[] } = await worker.getChannel(sent.channel_id);
check(channel.type === "direct" && channel.members.length === 2, "getChannel");
const history = await worker.getMessages(sent.channel_id, { limit: 10, since: start });
check(history.map(({ id }) => id).join() === [message.id, more.message.id].join(), "getMessages, oldest first");
const page = await worker.getMessages(sent.channel_id, { before: more.message.id, limit: 1 });
check(page.messages[0]!.id === message.id && !page.has_more, "getMessages before an id");
check((await worker.inbox(start)).length === 2, "inbox");
try {
  void worker.listChannels();
  throw new TypeError("listChannels does not throw");
} catch (error) {
  check(!(error instanceof TypeError), "listChannels throws");
}

// Threads
const policy: ThreadPermissionPolicy = { invite: ["*"] };
const thread: Thread = await admin.createThread({ topic: "Release", tags: ["ops"], participants: [name], context: { v: 2 }, permission_policy: policy });
check(thread.context === '{"v":2}' && thread.status === "active", "createThread");
await until(() => seen("thread_created"), "the event thread_created");
const whole = await worker.getThread(thread.id);
const participant: ThreadParticipant = whole.participants.find(({ bot_id }) => bot_id === me.id)!;
check(participant.name === name, "getThread");
check((await worker.listThreads()).length === 1 && (await worker.listThreads({ status: "closed" })).length === 0, "listThreads");
const found: ThreadSearchResult = await worker.searchThreads("rel", { limit: 5, cursor: "" });
check(found.items.some(({ id, is_participant, participant_count }) => id === thread.id && is_participant && participant_count === 2), "searchThreads");
const next: ThreadStatus = "reviewing";
const updated = await admin.updateThread(thread.id, { status: next, revision: thread.revision });
check(updated.status === next && updated.revision > thread.revision, "updateThread");
const conflict = await fails(admin.updateThread(thread.id, { topic: "x", revision: 0 }), ApiError, "an old revision");
check(conflict.status === 409 || conflict.status === 400, "the revision 0 is sent");
check((await fails(admin.updateThread(thread.id, { topic: "x", revision: thread.revision }), ApiError, "an old revision")).body.code === "REVISION_CONFLICT", "REVISION_CONFLICT");
const said: WireThreadMessage = await admin.sendThreadMessage(thread.id, `hi @${name}`, { metadata: { n: 1 } });
const mention: MentionRef = said.mentions[0]!;
check(mention.bot_id === me.id && said.metadata?.n === 1, "sendThreadMessage");
const reply = await worker.sendThreadMessage(thread.id, undefined, { parts: [{ type: "markdown", content: "**yes**" }], reply_to: said.id, metadata: null });
check(reply.content === "**yes**" && reply.reply_to_id === said.id && reply.metadata === null, "a reply");
const texts = await worker.getThreadMessages(thread.id, { limit: 10 });
const quoted: ReplyToMessage = texts[1]!.reply_to_message!;
check(texts.length === 2 && quoted.id === said.id, "getThreadMessages");
const ticket2 = await admin.createOrgTicket({ expires_in: 0 });
const third = await HxaConnectClient.register(url, org.id, { ticket: ticket2.ticket }, `${name}-3`);
check((await admin.invite(thread.id, third.name, "guest")).label === "guest", "invite by name");
const guest = new HxaConnectClient({ url, token: third.token! });
const joined: JoinThreadResponse = await guest.joinThread(thread.id);
check(joined.status === "already_joined", "joinThread");
check((await guest.leave(thread.id)) === undefined, "leave");
check((await guest.joinThread(thread.id)).joined_at! > 0, "joinThread again");

// Artifacts
const kind: ArtifactType = "markdown";
const input: ArtifactInput = { type: kind, title: "Report", content: "# 1" };
const artifact: Artifact = await worker.addArtifact(thread.id, "the.report", input);
check(artifact.version === 1 && artifact.title === "Report", "addArtifact");
check((await worker.updateArtifact(thread.id, "the.report", { content: "# 2", title: null })).title === null, "updateArtifact");
check((await worker.listArtifacts(thread.id))[0]!.version === 2, "listArtifacts");
check((await worker.getArtifactVersions(thread.id, "the.report")).map(({ version }) => version).join() === "1,2", "getArtifactVersions");
await until(() => events.filter(({ type }) => type === "thread_artifact").length === 2, "the events thread_artifact");

// Files
const file: FileRecord = await worker.uploadFile(new TextEncoder().encode("a,b\n1,2\n"), "t.csv", "text/csv");
check(file.mime_type === "text/csv" && file.size === 8, "uploadFile of bytes");
check((await worker.uploadFile(new Blob(["{}"], { type: "application/json" }), "t.json", "text/plain")).mime_type === "application/json", "uploadFile of a Blob");
check(worker.getFileUrl(file.id) === `${url}/api/files/${file.id}`, "getFileUrl");
const inputs: DownloadInput[] = [file.id, { fileId: file.id }, { url: file.url }, { url: url + file.url }];
const limits: DownloadOptions = { maxBytes: 8, timeout: 10_000 };
for (const one of inputs) {
  const got: DownloadResult = await worker.downloadFile(one, limits);
  check(got.size === 8 && got.contentType === "text/csv" && new TextDecoder().decode(got.buffer) === "a,b\n1,2\n", "downloadFile");
}
const saved = await worker.downloadToPath(file.id, `${process.env.HXA_FOLDER}/new/t.csv`);
check(saved.path === `${process.env.HXA_FOLDER}/new/t.csv` && saved.size === 8, "downloadToPath");
for (const [one, code] of [
  ["", "FILE_ID_EMPTY"],
  [{ fileId: "" }, "FILE_ID_EMPTY"],
  [{ url: "" }, "URL_EMPTY"],
  [{ url: "ftp://x/y" }, "URL_INVALID"],
  [{ url: "HTTP://x/y" }, "URL_INVALID"],
] as [DownloadInput, string][]) {
  check((await fails(worker.downloadFile(one), DownloadError, code)).code === code, code);
}
check((await fails(worker.downloadFile(file.id, { maxBytes: 7 }), DownloadError, "a large file")).code === "FILE_TOO_LARGE", "FILE_TOO_LARGE");
check((await fails(worker.downloadFile({ url: url + file.url }, { includeAuth: false }), ApiError, "without token")).status === 401, "includeAuth");
check((await fails(worker.downloadFile("../x"), ApiError, "a path")).status === 404, "an id is escaped");

// Catching up
const caught: CatchupResponse = await worker.catchup({ since: start, limit: 50 });
const event: CatchupEvent = caught.events[0]!;
const envelope: CatchupEventEnvelope = event;
check(envelope.occurred_at > start && caught.events.some(({ type }) => type === "thread_invited"), "catchup");
const count: CatchupCountResponse = await worker.catchupCount({ since: start });
check(count.total === caught.events.length, "catchupCount");

// The context of threads
const modes: Partial<Record<ThreadLifecycleEventType, ThreadLifecycleEventMode>> = { thread_status_changed: "ignore" };
const lifecycle: ThreadLifecycleOptions = { maxBufferSize: 10, modes };
const contextOptions: ThreadContextOptions = { botNames: [name], triggerPatterns: [/urgent/g], lifecycle };
const context = new ThreadContext(worker, contextOptions);
const triggers: MentionTrigger[] = [];
context.onMention(async (trigger) => {
  const snapshot: ThreadSnapshot = trigger.snapshot;
  check(snapshot.bufferedCount === snapshot.newMessages.length, "a snapshot");
  triggers.push(trigger);
});
await context.start();
await admin.sendThreadMessage(thread.id, "for your information");
await until(() => context.getBufferSize(thread.id) === 1, "a message is buffered");
check(context.getActiveThreads().includes(thread.id) && context.getLifecycleBufferSize(thread.id) === 0, "what waits");
check(/\n### Messages\n\[\d\d:\d\d:\d\d\] \S+: for your information$/.test(context.toPromptContext(thread.id)), "a prompt");
await admin.sendThreadMessage(thread.id, "this is urgent");
await until(() => triggers.length === 1, "a pattern triggers");
await admin.sendThreadMessage(thread.id, "more");
await until(() => context.getBufferSize(thread.id) === 1, "it waits");
await context.flush(thread.id);
check(triggers.map(({ reason }) => reason).join() === "message,flush" && triggers[0]!.snapshot.newMessages.length === 2, "deliveries");
check(context.toPromptContext(thread.id, "summary").endsWith("\n\n[0 new message(s), 0 lifecycle event(s) buffered]"), "a summary");
check(context.getStatusGuide("blocked").includes("active") && context.getStatusGuide("x") === "Unknown status: x", "getStatusGuide");
context.stop();
const created: ThreadLifecycleEvent = { type: "thread_created", thread };
check(formatThreadLifecycleEvent(created) === 'Thread created: "Release" (tags: ops)', "formatThreadLifecycleEvent");
check(getProtocolGuide("en").includes("bot") && getProtocolGuide() === getProtocolGuide("zh") && getProtocolGuide("fr") === getProtocolGuide(), "getProtocolGuide");

// What has types only
const reason: CloseReason = "manual";
const action: AuditAction = "thread.create";
const frame: WsClientEvent = { type: "subscribe", thread_id: thread.id };
const settings: OrgSettings | undefined = undefined;
const audit: AuditEntry | undefined = undefined;
const health: WebhookHealth | undefined = undefined;
check([action, frame, settings, audit, health].length === 5, "types");

// The end
check((await admin.updateThread(thread.id, { status: "closed", close_reason: reason })).close_reason === reason, "close");
worker.off("*", all);
worker.disconnect();
await until(() => closes.length === 1, "close");
check(closes[0]!.code === 1005, "the code of a close");
check((await admin.rotateOrgSecret()).org_secret.length > 20, "rotateOrgSecret");
worker.emitError(new Error("nobody listens"));
console.log("the program ran to its end");
