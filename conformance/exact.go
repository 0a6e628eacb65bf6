package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// exactShapes lists all keys of each object of the protocol in the notation of [T.Shape], with two
// more prefixes: ~key:type can be missing, and +key:type is missing in HXA-Connect (SPEC.md lists
// these keys in the section DEV).
var exactShapes = map[string]string{
	"bot":                 exactBot,
	"registration":        exactBot + " bot_id:s token:s ~message:s",
	"new org":             "id:s name:s org_secret:s persist_messages:b status:=active created_at:i",
	"org in the list":     "id:s name:s persist_messages:b status:=active|suspended created_at:i join_approval_required:i bot_count:i",
	"org":                 "id:s name:s status:=active|suspended",
	"org made by code":    "org_id:s name:s org_secret:s",
	"org secret":          "org_secret:s",
	"settings":            "org_id:s messages_per_minute_per_bot:i threads_per_hour_per_bot:i file_upload_mb_per_day_per_bot:i message_ttl_days:i? thread_auto_close_days:i? artifact_retention_days:i? default_thread_permission_policy:o? updated_at:i join_approval_required:b +delivery_attempts:i +thread_turn_limit:i? +thread_messages_per_hour_per_bot:i? +public_agent_cards:b",
	"new ticket":          "ticket:s expires_at:n reusable:b skip_approval:b",
	"ticket":              "id:s code:s? reusable:b skip_approval:b expires_at:n created_by:s? created_at:i",
	"tickets":             "items:a ~cursor:s",
	"session of the org":  "ref:s role:=bot_owner|org_admin bot_id:s? owner_name:s? created_at:i expires_at:i",
	"items":               "items:a has_more:b",
	"page":                "items:a has_more:b ~next_cursor:s",
	"new invite code":     inviteShape,
	"invite code":         strings.Replace(inviteShape, "code:s", "code:s?", 1) + " expired:b exhausted:b",
	"login":               "session:o",
	"login of an owner":   "role:=bot_owner org_id:s bot_id:s expires_at:i",
	"login of an admin":   "role:=org_admin org_id:s expires_at:i",
	"login of a super":    "role:=super_admin expires_at:i",
	"session":             "role:=bot_owner|org_admin|super_admin org_id:s? bot_id:s? owner_name:s? scopes:[s]? is_scoped_token:b expires_at:i config:o",
	"session config":      "max_file_size_mb:n",
	"new token":           tokenShape + " token:s",
	"token":               tokenShape,
	"uploaded file":       strings.Replace(fileShape, "uploader_id", "+uploader_id", 1),
	"file":                fileShape,
	"audit entry":         "id:s org_id:s bot_id:s? action:s target_type:s target_id:s detail:o? created_at:i",
	"webhook health":      "healthy:b last_success:i? last_failure:i? consecutive_failures:i degraded:b",
	"role change":         "bot_id:s auth_role:=admin|member",
	"status change":       "bot_id:s name:s join_status:=active|rejected previous_status:=active|pending|rejected join_status_changed_by:s? join_status_changed_at:i? join_status_reason:s?",
	"deleted":             "deleted:b",
	"ok":                  "ok:b",
	"ok with a message":   "ok:b message:s",
	"health":              "status:=ok|degraded uptime_ms:i connected_clients:i connected_bots:i db:=ok|error",
	"operator's health":   "status:=ok|degraded uptime_ms:i connected_clients:i connected_bots:i db:=ok|error ws:o",
	"connections":         "by_type:o by_bot:a by_age:o not_alive:i reconnect_rate_5m:n ws_metrics:o",
	"version":             "version:s server:s +profiles:[s]",
	"stats":               "org_count:i bot_count:i online_bot_count:i thread_count:i message_count:i active_thread_count:i",
	"old health":          "ok:b server:s version:s",
	"system presence":     "bots:a online:b presence_ts:i note:s",
	"config":              "server:s version:s env:s scopes:[s]",
	"connection ticket":   "ticket:s expires_in:i",
	"error":               "error:s +code:s +hint:s",
	"bot not active":      "error:s code:s join_status:=pending|rejected message:s",
	"join required":       "error:s code:s hint:s",
	"already requested":   "error:s code:s request_id:s",
	"over a limit":        "error:s code:s retry_after:i",
	"channel":             channelShape,
	"channel and members": channelShape + " members:a",
	"channel of a bot":    "id:s type:=direct name:s? created_at:i last_activity_at:i members:a",
	"member":              "id:s name:s online:b",
	"sent":                "channel_id:s message:o +ts:i +recipients:o",
	"channel message":     exactMessage + exactTrace,
	"channel history":     exactMessage + " sender_name:s",
	"inbox row":           exactMessage + " sender_name:s channel_name:s?",
	"thread":              threadShape,
	"thread in a list":    threadShape + " participant_count:i +turns:i +turns_left:i +turn_limit:i",
	"thread of the org":   threadShape + " participant_count:i is_participant:b +turns:i +turns_left:i +turn_limit:i",
	"thread and members":  threadShape + " participant_count:i participants:a +turns:i +turns_left:i +turn_limit:i",
	"participant":         "bot_id:s name:s online:b label:s? joined_at:i",
	"invited":             "thread_id:s bot_id:s label:s? joined_at:i",
	"thread message":      messageShape + " ~reply_to_message:o" + exactTrace,
	"sent thread message": messageShape + " ~reply_to_message:o" + exactTrace + " +recipients:o",
	"recipients":          "count:i addressed:a not_reached:a more_not_reached:b",
	"overdue":             "message_id:s ~thread_id:s ~channel_id:s sender:o due_at:i ~escalated_to:o count:i receipts:a",
	"receipt":             "id:s name:s why:=direct|mention|reply|all state:=unconfirmed|queued|working|waiting|done|failed|dead ~attempt:i ~progress:s ~waits_for:=human|bot ~reason:s ~due_at:i",
	"recipient":           "id:s name:s why:=direct|mention|reply|all reach:[s] ~offline_since:i",
	"not reached":         "name:s ~id:s why:=direct|mention|reply|all reason:=unknown|not_in_thread|left|pending|rejected|deleted|too_many_mentions hint:s",
	"mention":             "bot_id:s name:s",
	"replied to":          "id:s sender_id:s? sender_name:s content:s created_at:i",
	"artifact":            artifactShape + exactTrace,
	"joined":              "status:=joined|approved joined_at:i",
	"join pending":        "status:=pending request_id:s",
	"join decided":        "status:=already_joined|rejected",
	"join request":        "id:s thread_id:s bot_id:s bot_name:s status:=pending requested_at:i resolved_at:i? resolved_by:s?",
	"page of messages":    "messages:a has_more:b",
	"found":               "messages:a",
	"found message":       "message_id:s thread_id:s thread_topic:s sender_name:s? content:s created_at:i",
	"catch-up":            "events:a has_more:b ~cursor:s +stream_cursor:s",
	"catch-up count":      "thread_invites:i thread_status_changes:i thread_activities:i channel_messages:i total:i",
	"workspace":           "bot:o dms:o threads:o",
	"workspace channel":   "channel:o counterpart_bot:o last_message_preview:o? last_activity_at:i",
	"counterpart":         "id:s name:s online:b bio:s? role:s?",
	"preview":             "content:s sender_id:s sender_name:s created_at:i",

	"pong":        "type:=pong",
	"ack":         "type:=ack ref:* result:o",
	"error frame": "type:=error message:s ref:* +code:s +hint:s",

	"missed thread_invited":             catchUpEntry + "thread_id:s topic:s inviter:s",
	"missed thread_status_changed":      catchUpEntry + "thread_id:s topic:s from:s to:s by:s",
	"missed thread_message_summary":     catchUpEntry + "thread_id:s topic:s count:i last_at:i",
	"missed thread_artifact_added":      catchUpEntry + "thread_id:s artifact_key:s version:i +count:i",
	"missed channel_message_summary":    catchUpEntry + "channel_id:s count:i last_at:i",
	"missed thread_participant_removed": catchUpEntry + "thread_id:s topic:s removed_by:s",

	"ack of send":                      ackResult + "channel_id:s message_id:s timestamp:i +recipients:o",
	"ack of send_dm":                   ackResult + "channel_id:s message_id:s timestamp:i +recipients:o",
	"ack of send_thread_message":       ackResult + "message_id:s thread_id:s timestamp:i +recipients:o",
	"ack of thread_create":             ackResult + "thread_id:s topic:s revision:i timestamp:i",
	"ack of thread_update":             ackResult + "thread_id:s changes:[s] revision:i timestamp:i",
	"ack of thread_invite":             ackResult + "thread_id:s bot_id:s already_joined:b timestamp:i",
	"ack of thread_join":               ackResult + "thread_id:s status:=joined joined_at:i timestamp:i",
	"ack of thread_join, in already":   ackResult + "thread_id:s status:=already_joined timestamp:i",
	"ack of thread_join, asked":        ackResult + "thread_id:s status:=pending request_id:s",
	"ack of thread_leave":              ackResult + "thread_id:s timestamp:i",
	"ack of thread_remove_participant": ackResult + "thread_id:s bot_id:s timestamp:i",
	"ack of artifact_add":              ackResult + "thread_id:s artifact_key:s version:i timestamp:i",
	"ack of artifact_update":           ackResult + "thread_id:s artifact_key:s version:i timestamp:i",

	"event message":               loggedEvent + "channel_id:s message:o sender_name:s",
	"event channel_created":       loggedEvent + "channel:o members:[s]",
	"event bot_online":            "type:s bot:o",
	"event bot_offline":           "type:s bot:o +cursor:s",
	"event bot_registered":        loggedEvent + "bot:o",
	"event bot_join_request":      loggedEvent + "bot:o org_id:s",
	"event bot_status_changed":    loggedEvent + "bot_id:s name:s join_status:s previous_status:s reason:s?",
	"event bot_renamed":           loggedEvent + "bot_id:s old_name:s new_name:s",
	"event thread_created":        loggedEvent + "thread:o",
	"event thread_updated":        loggedEvent + "thread:o changes:[s]",
	"event thread_status_changed": loggedEvent + "thread_id:s topic:s from:s to:s by:s",
	"event thread_message":        loggedEvent + "thread_id:s message:o",
	"event thread_artifact":       loggedEvent + "thread_id:s artifact:o action:=added|updated",
	"event thread_participant":    loggedEvent + "thread_id:s bot_id:s bot_name:s action:=joined|left by:s ~label:s?",
	"event thread_join_request":   loggedEvent + "thread_id:s request_id:s bot_id:s bot_name:s",
	"event thread_join_resolved":  loggedEvent + "thread_id:s request_id:s status:=approved|rejected by:s",
	"bot of an event":             "id:s name:s ~join_status:s",

	"detail of auth.login":                 "role:s ip:s ~user_agent:s",
	"detail of auth.login_failed":          "type:=bot|org_admin code:s ip:s",
	"detail of auth.logout":                "role:s ip:s",
	"detail of auth.session_force_logout":  "target_role:s target_bot_id:s? revoked_by:s",
	"detail of auth.ticket_created":        "reusable:b skip_approval:b expires_at:n created_by:s",
	"detail of auth.ticket_revoked":        "revoked_by:s",
	"detail of auth.secret_rotated":        "changed_by:s",
	"detail of bot.register":               "name:s reregister:b via:=ticket|org_secret auth_role:=admin|member",
	"detail of bot.delete":                 "name:s ~deleted_by:s ~self:b",
	"detail of bot.tombstone_cleared":      "cleared_by_session:s cleared_by_role:=org_admin|super_admin",
	"detail of bot.profile_update":         "fields:[s]",
	"detail of bot.rename":                 "old_name:s new_name:s",
	"detail of bot.role_change":            "auth_role:=admin|member +changed_by:s",
	"detail of bot.join_status_changed":    "old_status:s new_status:s reason:s? +changed_by:s",
	"detail of bot.token_create":           "scopes:[s] label:s? expires_at:n?",
	"detail of file.upload":                "name:s mime_type:s size:i",
	"detail of message.send":               "~channel_id:s ~to:s ~thread_id:s ~via:=ws",
	"detail of thread.create":              "topic:s tags:[s]? ~via:=ws",
	"detail of thread.status_changed":      "from:s to:s close_reason:s? ~via:=ws +by:s",
	"detail of thread.permission_denied":   "action:=resolve|close|manage ~status:s ~via:=ws",
	"detail of thread.visibility_changed":  "from:s to:s +by:s",
	"detail of thread.join_policy_changed": "from:s to:s +by:s",
	"detail of thread.join":                "via:=ws",
	"detail of thread.join_approved":       "approved_bot:s request_id:s",
	"detail of thread.join_rejected":       "rejected_bot:s request_id:s",
	"detail of thread.invite":              "invited_bot_id:s invited_bot_name:s ~via:=ws +by:s",
	"detail of thread.remove_participant":  "removed_bot_id:s removed_bot_name:s removed_by:s ~via:=ws",
	"detail of thread.leave":               "via:=ws",
	"detail of artifact.add":               "thread_id:s artifact_key:s version:i ~via:=ws",
	"detail of artifact.update":            "thread_id:s artifact_key:s version:i ~via:=ws",
}

const (
	exactTrace   = " ~traceparent:s ~tracestate:s +automatic:b +no_reply:b +receipts:b +due_at:i" // B2B-MSG-062
	exactMessage = "id:s channel_id:s sender_id:s content:s content_type:s parts:a created_at:i"
	catchUpEntry = "event_id:s occurred_at:i type:s "
	ackResult    = "operation:s resource_id:s "
	loggedEvent  = "type:s +cursor:s "
)

// exactBot is botShape without the keys that botShape forbids: here, all other keys are forbidden.
var exactBot, _, _ = strings.Cut(botShape, " !")

// exactly asserts that v has all keys of an object in exactShapes, with their types, and no others.
func (t *T) exactly(what string, v any, name string) {
	spec, known := exactShapes[name]
	o, isObject := v.(map[string]any)
	if !known || !isObject {
		t.Errorf("%s: %s is not an object, or no shape is named %q", what, show(v), name)
		return
	}
	var needed, all []string
	for field := range strings.FieldsSeq(spec) {
		bare := strings.TrimLeft(field, "~+")
		key, _, _ := strings.Cut(bare, ":")
		all = append(all, key)
		if _, there := o[key]; there || bare == field {
			needed = append(needed, bare)
		}
	}
	t.Shape(what, v, strings.Join(needed, " "))
	for key := range o {
		if !slices.Contains(all, key) {
			t.Errorf("%s: %s has the key %s, which is not specified", what, name, key)
		}
	}
}

// exactly asserts that the value at path has exactly the keys of an object in exactShapes.
func (r *Response) exactly(path, name string) *Response {
	r.t.exactly(fmt.Sprintf("%s: %q", r, path), r.Value(path), name)
	return r
}

// each asserts that the array at path has elements, and that each has exactly the keys of an object
// in exactShapes.
func (r *Response) each(path, name string) *Response {
	list := r.List(path)
	if len(list) == 0 {
		r.errorf("the array has no %s", name)
	}
	for i, v := range list {
		r.t.exactly(fmt.Sprintf("%s: %q.%d", r, path, i), v, name)
	}
	return r
}
