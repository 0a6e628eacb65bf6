package wire_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const thread = `{ "id": "t-1", "org_id": "o-1", "topic": "Release notes", "tags": ["docs"], "status": "active",
  "initiator_id": "b-atlas", "channel_id": null, "context": "{\"ticket\":42}", "close_reason": null,
  "permission_policy": "{\"close\":[\"initiator\"]}", "visibility": "public", "join_policy": "approval", "revision": 1,
  "created_at": 1767225601000, "updated_at": 1767225601000, "last_activity_at": 1767225601000, "resolved_at": null }`

// TestWorkedExamples reads examples of what existing clients send and receive, and writes them
// again: no key is lost or added (B2B-DEV-001).
func TestWorkedExamples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		m    proto.Message
		text string
	}{
		{&b2bv1.SendDirectMessageResponse{}, `{ "channel_id": "c-1", "ts": 1767225600000,
			"message": { "id": "m-1", "channel_id": "c-1", "sender_id": "b-atlas", "content": "ping", "content_type": "text",
			"parts": [ { "type": "text", "content": "ping" } ], "created_at": 1767225600000 } }`},
		{&b2bv1.Event{}, `{ "type": "channel_created", "members": ["b-atlas", "b-nova"],
			"channel": { "id": "c-1", "org_id": "o-1", "type": "direct", "name": null, "created_at": 1767225599999 } }`},
		{&b2bv1.Thread{}, thread},
		{&b2bv1.Event{}, `{ "type": "thread_created", "thread": ` + thread + ` }`},
		{&b2bv1.Event{}, `{ "type": "thread_updated", "changes": ["topic"], "thread": ` + thread + ` }`},
		{&b2bv1.Event{}, `{ "type": "thread_participant", "thread_id": "t-1", "bot_id": "b-nova", "bot_name": "nova",
			"action": "joined", "by": "b-atlas" }`},
		{&b2bv1.Event{}, `{ "type": "thread_participant", "thread_id": "t-1", "bot_id": "b-nova", "bot_name": "nova",
			"action": "joined", "by": "b-atlas", "label": null }`},
		{&b2bv1.Event{}, `{ "type": "thread_participant", "thread_id": "t-1", "bot_id": "b-nova", "bot_name": "nova",
			"action": "left", "by": "org:o-1", "label": "lead" }`},
		{&b2bv1.Event{}, `{ "type": "bot_registered", "bot": { "id": "b-nova", "name": "nova", "join_status": "pending" } }`},
		{&b2bv1.Event{}, `{ "type": "bot_status_changed", "bot_id": "b", "name": "nova", "join_status": "rejected",
			"previous_status": "pending", "reason": null }`},
		{&b2bv1.ThreadMessage{}, `{ "id": "tm-2", "thread_id": "t-1", "sender_id": "b-atlas", "content": "Thanks @Nova, cc @all",
			"content_type": "text", "parts": [ { "type": "text", "content": "Thanks @Nova, cc @all" } ],
			"reply_to_id": "tm-1", "created_at": 1767225605000, "mentions": [ { "bot_id": "b-nova", "name": "nova" } ],
			"mention_all": true, "metadata": { "lang": "en" }, "sender_name": "atlas",
			"reply_to_message": { "id": "tm-1", "sender_id": "b-nova", "sender_name": "nova",
			"content": "Draft is ready", "created_at": 1767225603000 } }`},
		{&b2bv1.Artifact{}, `{ "id": "a-1", "thread_id": "t-1", "artifact_key": "plan.v1", "type": "json", "title": "Plan",
			"content": "{\"steps\": [1, 2]}", "language": null, "url": null, "mime_type": null, "contributor_id": "b-atlas",
			"version": 1, "format_warning": false, "created_at": 1767225610000, "updated_at": 1767225610000 }`},
		{&b2bv1.LoginResponse{}, `{"session":{"role":"super_admin","expires_at":1760000000000}}`},
		{&b2bv1.CreateOrgResponse{}, `{"id":"0b6c","name":"orchard","org_secret":"5d","persist_messages":true,"status":"active","created_at":1}`},
		{&b2bv1.CreateOrgTicketResponse{}, `{"ticket":"tkt_77","expires_at":0,"reusable":true,"skip_approval":false}`},
		{&b2bv1.UpdateBotStatusResponse{}, `{"bot_id":"x","name":"newbie","join_status":"active","previous_status":"pending",
			"join_status_changed_by":"bot:c1","join_status_changed_at":5,"join_status_reason":null}`},
		{&b2bv1.InviteCode{}, `{"id":"a9","code":"hxa_5f","label":"pilot","max_uses":1,"use_count":0,"expires_at":86400,"created_at":1}`},
		{&b2bv1.Token{}, `{"id":"51","token":"scoped_b2","scopes":["read"],"label":"dashboard","expires_at":3600000,
			"created_at":1,"last_used_at":null}`},
		{&b2bv1.ListOrgSessionsResponse{}, `{"items":[{"ref":"0f1e2d3c4b5a6978","role":"org_admin","bot_id":null,"owner_name":null,
			"created_at":1,"expires_at":2}],"has_more":false}`},
		{&b2bv1.RegisterBotResponse{}, `{"id":"c1","org_id":"o","name":"newbie","auth_role":"member","online":false,"last_seen_at":1,
			"created_at":1,"metadata":false,"bio":"keeps order","role":null,"function":null,"team":null,"tags":["ops"],"languages":null,
			"protocols":{"a2a":[1.0]},"status_text":null,"timezone":null,"active_hours":null,"version":"1.0.0","runtime":null,
			"join_status":"pending","bot_id":"c1","token":"bot_9a","message":"Awaiting org admin approval"}`},
		{&b2bv1.OrgSettings{}, `{"org_id":"o","messages_per_minute_per_bot":120,"threads_per_hour_per_bot":30,
			"file_upload_mb_per_day_per_bot":100,"message_ttl_days":null,"thread_auto_close_days":null,"artifact_retention_days":null,
			"default_thread_permission_policy":{"close":["*"]},"updated_at":0,"join_approval_required":true,"delivery_attempts":0,
			"thread_turn_limit":null,"thread_messages_per_hour_per_bot":null,"public_agent_cards":false}`},
		{&b2bv1.InboxMessage{}, `{"id":"m-1","channel_id":"c-1","sender_id":"b","content":"ping","content_type":"text",
			"parts":[],"created_at":1,"sender_name":"unknown","channel_name":null}`},
		{&b2bv1.ListThreadsResponse{}, `[]`},
		{&b2bv1.ListThreadsResponse{}, `{"items":[],"has_more":false}`},
		{&b2bv1.ListThreadsResponse{}, `{"items":[` + thread + `],"has_more":true,"next_cursor":"x"}`},
	} {
		if err := wire.Decode([]byte(c.text), c.m); err != nil {
			t.Errorf("%v of %s", err, c.text)
			continue
		}
		got, err := wire.Marshal(c.m)
		if err != nil {
			t.Fatal(err)
		}
		var written, wanted any
		if err := json.Unmarshal(got, &written); err != nil {
			t.Fatalf("%v of %s", err, got)
		}
		if err := json.Unmarshal([]byte(c.text), &wanted); err != nil {
			t.Fatalf("%v of %s", err, c.text)
		}
		if !reflect.DeepEqual(written, wanted) {
			t.Errorf("%T\n got %s\nwant %s", c.m, got, c.text)
		}
	}
}

// TestWebhookExample checks the body of a delivery byte for byte: an event with one key before it
// (B2B-HOOK-002).
func TestWebhookExample(t *testing.T) {
	t.Parallel()
	const want = `{"webhook_version":"1","type":"message","channel_id":"5b0c7f0e-6f0d-4b0e-9a51-0c6b2f3f8a11","message":{"id":"e1f4b1d2-3c55-4c1f-8a7a-7f2f9d0b6c01","channel_id":"5b0c7f0e-6f0d-4b0e-9a51-0c6b2f3f8a11","sender_id":"aaaaaaaa-0000-4000-8000-000000000001","content":"ping","content_type":"text","parts":[{"type":"text","content":"ping"}],"created_at":1767225600000},"sender_name":"atlas"}`
	var m b2bv1.Event
	if err := wire.Decode([]byte(want), &m); err != nil {
		t.Fatal(err)
	}
	got := wire.AppendEvent([]byte(`{"webhook_version":"1",`), &m)
	got = append(got[:len(`{"webhook_version":"1",`)], got[len(`{"webhook_version":"1",{`):]...)
	if string(got) != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}
