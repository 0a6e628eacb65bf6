// The types of the SDK of HXA-Connect. Keys that this server adds are optional, so that objects that
// programs write themselves keep their types.

export type ThreadStatus = "active" | "blocked" | "reviewing" | "resolved" | "closed";
export type CloseReason = "manual" | "timeout" | "error";
export type ArtifactType = "text" | "markdown" | "json" | "code" | "file" | "link";
export type AuthRole = "admin" | "member";
export type TokenScope = "full" | "read" | "thread" | "message" | "upload";
export type SessionRole = "bot_owner" | "org_admin" | "super_admin";
export type OrgStatus = "active" | "suspended" | "destroyed";
export type AuditAction =
  | "auth.login"
  | "auth.login_failed"
  | "auth.logout"
  | "auth.session_force_logout"
  | "auth.session_revoked"
  | "auth.ticket_revoked"
  | "artifact.add"
  | "artifact.update"
  | "bot.delete"
  | "bot.join_status_changed"
  | "bot.profile_update"
  | "bot.register"
  | "bot.rename"
  | "bot.role_change"
  | "bot.token_create"
  | "bot.token_revoke"
  | "bot.tombstone_cleared"
  | "file.upload"
  | "lifecycle.cleanup"
  | "message.send"
  | "settings.update"
  | "thread.create"
  | "thread.invite"
  | "thread.join"
  | "thread.join_approved"
  | "thread.join_policy_changed"
  | "thread.join_rejected"
  | "thread.join_requested"
  | "thread.leave"
  | "thread.permission_denied"
  | "thread.remove_participant"
  | "thread.status_changed"
  | "thread.visibility_changed"
  | "thread.write_denied";

export interface BotProtocols {
  version: string;
  messaging: boolean;
  threads: boolean;
  streaming: boolean;
}

/** A bot. */
export interface Agent {
  id: string;
  org_id: string;
  name: string;
  auth_role: AuthRole;
  online: boolean;
  last_seen_at: number | null;
  created_at: number;
  metadata: Record<string, unknown> | null;
  bio: string | null;
  role: string | null;
  function: string | null;
  team: string | null;
  tags: string[] | null;
  languages: string[] | null;
  protocols: Record<string, unknown> | null;
  status_text: string | null;
  timezone: string | null;
  active_hours: string | null;
  version: string;
  runtime: string | null;
  join_status?: "active" | "pending" | "rejected";
}

export interface AgentProfileInput {
  bio?: string | null;
  role?: string | null;
  function?: string | null;
  team?: string | null;
  tags?: string[] | null;
  languages?: string[] | null;
  protocols?: BotProtocols | null;
  status_text?: string | null;
  timezone?: string | null;
  active_hours?: string | null;
  version?: string;
  runtime?: string | null;
}

export interface Channel {
  id: string;
  org_id: string;
  type: "direct";
  name: string | null;
  created_at: number;
}

export type MessagePart =
  | { type: "text"; content: string }
  | { type: "markdown"; content: string }
  | { type: "json"; content: Record<string, unknown> }
  | { type: "file"; url: string; name: string; mime_type: string; size?: number }
  | { type: "image"; url: string; alt?: string }
  | { type: "link"; url: string; title?: string };

/** A direct message. */
export interface WireMessage {
  id: string;
  channel_id: string;
  sender_id: string;
  sender_name?: string;
  content: string;
  content_type: "text" | "json" | "system";
  parts: MessagePart[];
  created_at: number;
}

export interface MentionRef {
  bot_id: string;
  name: string;
}

export interface ReplyToMessage {
  id: string;
  sender_id: string | null;
  sender_name: string;
  content: string;
  created_at: number;
}

export interface WireThreadMessage {
  id: string;
  thread_id: string;
  sender_id: string | null;
  sender_name?: string;
  content: string;
  content_type: string;
  parts: MessagePart[];
  mentions: MentionRef[];
  mention_all: boolean;
  reply_to_id?: string | null;
  reply_to_message?: ReplyToMessage | null;
  metadata: Record<string, unknown> | null;
  created_at: number;
}

export interface ThreadPermissionPolicy {
  resolve?: string[] | null;
  close?: string[] | null;
  invite?: string[] | null;
  remove?: string[] | null;
  write?: string[] | null;
  manage?: string[] | null;
}

export interface Thread {
  id: string;
  org_id: string;
  topic: string;
  tags: string[] | null;
  status: ThreadStatus;
  initiator_id: string | null;
  channel_id: string | null;
  context: string | null;
  close_reason: CloseReason | null;
  permission_policy: string | null;
  visibility?: "public" | "members" | "private";
  join_policy?: "open" | "approval" | "invite_only";
  revision: number;
  created_at: number;
  updated_at: number;
  last_activity_at: number;
  resolved_at: number | null;
}

export interface ThreadParticipant {
  thread_id?: string;
  bot_id: string;
  name?: string;
  online?: boolean;
  label: string | null;
  joined_at: number;
}

export interface ThreadSearchResult {
  items: (Thread & { participant_count: number; is_participant: boolean })[];
  has_more: boolean;
  next_cursor?: string;
}

export interface JoinThreadResponse {
  status: "joined" | "already_joined";
  joined_at?: number;
  request_id?: string;
}

export interface Artifact {
  id: string;
  thread_id: string;
  artifact_key: string;
  type: ArtifactType;
  title: string | null;
  content: string | null;
  language: string | null;
  url: string | null;
  mime_type: string | null;
  contributor_id: string | null;
  version: number;
  format_warning: boolean;
  created_at: number;
  updated_at: number;
}

export interface ArtifactInput {
  type?: ArtifactType;
  title?: string | null;
  content?: string | null;
  language?: string | null;
  url?: string | null;
  mime_type?: string | null;
}

export interface FileRecord {
  id: string;
  name: string;
  mime_type: string | null;
  size: number;
  url: string;
  created_at: number;
}

/** A file: its id, or where it is. */
export type DownloadInput = string | { fileId: string } | { url: string };

export interface DownloadOptions {
  /** The largest size in bytes. Default: 10 MiB. */
  maxBytes?: number;
  /** Milliseconds for the whole download. Default: that of the client. */
  timeout?: number;
  signal?: AbortSignal;
  /** Whether the request has the token. Default: only to the origin of the server. */
  includeAuth?: boolean;
}

export interface DownloadResult {
  buffer: Uint8Array;
  contentType: string;
  size: number;
}

export interface CatchupEventEnvelope {
  event_id: string;
  occurred_at: number;
}

export type CatchupEvent = CatchupEventEnvelope &
  (
    | { type: "thread_invited"; thread_id: string; topic: string; inviter: string }
    | { type: "thread_status_changed"; thread_id: string; topic: string; from: ThreadStatus; to: ThreadStatus; by: string }
    | { type: "thread_message_summary"; thread_id: string; topic: string; count: number; last_at: number }
    | { type: "thread_artifact_added"; thread_id: string; artifact_key: string; version: number; count?: number }
    | { type: "channel_message_summary"; channel_id: string; channel_name?: string; count: number; last_at: number }
    | { type: "thread_participant_removed"; thread_id: string; topic: string; removed_by: string }
  );

export interface CatchupResponse {
  events: CatchupEvent[];
  has_more: boolean;
  cursor?: string;
  stream_cursor?: string;
}

export interface CatchupCountResponse {
  thread_invites: number;
  thread_status_changes: number;
  thread_activities: number;
  channel_messages: number;
  total: number;
}

export interface ScopedToken {
  id: string;
  /** Only in the response of its creation. */
  token?: string;
  scopes: TokenScope[];
  label: string | null;
  expires_at: number | null;
  created_at: number;
  last_used_at: number | null;
}

export interface SessionInfo {
  role: SessionRole;
  org_id: string | null;
  bot_id: string | null;
  owner_name: string | null;
  scopes: TokenScope[] | null;
  is_scoped_token: boolean;
  expires_at: number;
}

export interface LoginResponse {
  session: { role: SessionRole; org_id?: string; bot_id?: string; expires_at: number };
}

export type RegisterResponse = Agent & { bot_id: string; token?: string; message?: string };

export interface OrgTicket {
  ticket: string;
  expires_at: number;
  reusable: boolean;
  skip_approval?: boolean;
}

export interface OrgInfo {
  id: string;
  name: string;
  status: OrgStatus;
}

export interface OrgSettings {
  org_id: string;
  messages_per_minute_per_bot: number;
  threads_per_hour_per_bot: number;
  file_upload_mb_per_day_per_bot: number;
  message_ttl_days: number | null;
  thread_auto_close_days: number | null;
  artifact_retention_days: number | null;
  default_thread_permission_policy: ThreadPermissionPolicy | null;
  join_approval_required?: boolean;
  updated_at: number;
}

export interface AuditEntry {
  id: string;
  org_id: string;
  bot_id: string | null;
  action: AuditAction;
  target_type: string;
  target_id: string;
  detail: Record<string, unknown> | null;
  created_at: number;
}

export interface WebhookHealth {
  healthy: boolean;
  last_success: number | null;
  last_failure: number | null;
  consecutive_failures: number;
  degraded: boolean;
}

/** The events of the life of a thread. */
export type ThreadLifecycleEvent =
  | { type: "thread_created"; thread: Thread }
  | { type: "thread_updated"; thread: Thread; changes: string[] }
  | { type: "thread_status_changed"; thread_id: string; topic: string; from: ThreadStatus; to: ThreadStatus; by: string }
  | { type: "thread_artifact"; thread_id: string; artifact: Artifact; action: "added" | "updated" }
  | { type: "thread_participant"; thread_id: string; bot_id: string; bot_name: string; action: "joined" | "left"; by: string; label?: string | null };
export type ThreadLifecycleEventType = ThreadLifecycleEvent["type"];
export type ThreadLifecycleEventMode = "deliver" | "buffer" | "ignore";

/** The frames of the server. */
export type WsServerEvent =
  | ThreadLifecycleEvent
  | { type: "message"; channel_id: string; message: WireMessage; sender_name: string }
  | { type: "channel_created"; channel: Channel; members: string[] }
  | { type: "bot_online"; bot: { id: string; name: string } }
  | { type: "bot_offline"; bot: { id: string; name: string } }
  | { type: "bot_registered"; bot: { id: string; name: string; join_status?: string } }
  | { type: "bot_join_request"; bot: { id: string; name: string }; org_id: string }
  | { type: "bot_status_changed"; bot_id: string; name: string; join_status: string; previous_status: string; reason: string | null }
  | { type: "bot_renamed"; bot_id: string; old_name: string; new_name: string }
  | { type: "thread_message"; thread_id: string; message: WireThreadMessage }
  | { type: "ack"; ref: string; result: Record<string, unknown> }
  | { type: "error"; message: string; code?: string; retry_after?: number; ref?: string }
  | { type: "pong" };

interface Content {
  content?: string;
  content_type?: string;
  parts?: MessagePart[];
}

type Operation =
  | ({ type: "send"; channel_id: string } & Content)
  | ({ type: "send_dm"; to: string } & Content)
  | ({ type: "send_thread_message"; thread_id: string; metadata?: Record<string, unknown> | null; reply_to?: string } & Content)
  | { type: "thread_create"; topic: string; tags?: string[]; participants?: string[]; channel_id?: string; context?: unknown }
  | { type: "thread_update"; thread_id: string; status?: ThreadStatus; close_reason?: CloseReason; topic?: string; context?: unknown; expected_revision?: number }
  | { type: "thread_invite"; thread_id: string; bot_id: string; label?: string }
  | { type: "thread_join"; thread_id: string }
  | { type: "thread_leave"; thread_id: string }
  | { type: "thread_remove_participant"; thread_id: string; bot_id: string }
  | ({ type: "artifact_add"; thread_id: string; artifact_key: string; artifact_type?: ArtifactType } & Omit<ArtifactInput, "type">)
  | { type: "artifact_update"; thread_id: string; artifact_key: string; content: string; title?: string | null };

/** The frames that a connection can send. */
export type WsClientEvent = (Operation & { ref?: string }) | { type: "subscribe" | "unsubscribe"; channel_id?: string; thread_id?: string } | { type: "ping" };
