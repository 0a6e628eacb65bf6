package wire_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// A decodeCase is a body and its message as prototext, or its error.
type decodeCase struct{ body, want, fault string }

func runDecode(t *testing.T, empty proto.Message, cases []decodeCase) {
	t.Helper()
	for _, c := range cases {
		m := proto.Clone(empty)
		err := wire.Decode([]byte(c.body), m)
		if got := errorText(err); got != c.fault {
			t.Errorf("%s\n got %q\nwant %q", c.body, got, c.fault)
		}
		if err != nil {
			continue
		}
		want := proto.Clone(empty)
		if err := prototext.Unmarshal([]byte(c.want), want); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(m, want) {
			t.Errorf("%s\n got %s\nwant %s", c.body, prototext.Format(m), c.want)
		}
	}
}

func TestDecodeThread(t *testing.T) {
	t.Parallel()
	runDecode(t, &b2bv1.CreateThreadRequest{}, []decodeCase{
		{body: `{}`},
		{body: `[{"topic":"x"}]`},
		{body: `{"topic":null,"tags":null,"context":null,"permission_policy":null,"visibility":null}`},
		{body: `{"unknown":{"a":[1]},"topic":"x"}`, want: `topic:"x"`},
		{body: ` {"topic" : "é\u00e9\ud83d\udc4d\ud800\n\/" } `, want: `topic:"éé👍\ufffd\n/"`},
		{body: `{"t\u006fpic":"x"}`, want: `topic:"x"`},
		{body: `{"tags":[]}`, want: `tags:{}`},
		{body: `{"tags":["a",""],"participants":["nova"]}`, want: `tags:{values:["a",""]} participants:{values:"nova"}`},
		{body: `{"context":"{ as it is }"}`, want: `context:"{ as it is }"`},
		{body: `{"context":{ "ticket" : 9007199254740993 }}`, want: `context:"{\"ticket\":9007199254740993}"`},
		{body: `{"context":{ "b" : 1.50 , "a" : ["\u0041 <&>", 1e2 ] }}`, want: `context:"{\"b\":1.50,\"a\":[\"\\u0041 <&>\",1e2]}"`},
		{body: `{"context":false}`, want: `context:"false"`},
		{body: `{"permission_policy":{ "b":1.0,"a":[ ] }}`, want: `permission_policy:"{ \"b\":1.0,\"a\":[ ] }"`},
		{body: `{"permission_policy":"text"}`, want: `permission_policy:"\"text\""`},
		{body: `{"visibility":"members","join_policy":"invite_only"}`, want: `visibility:VISIBILITY_MEMBERS join_policy:JOIN_POLICY_INVITE_ONLY`},

		{body: `{"topic":1}`, fault: `topic: must be a string`},
		{body: `{"topic":["x"]}`, fault: `topic: must be a string`},
		{body: `{"tags":"a"}`, fault: `tags: must be an array of strings`},
		{body: `{"tags":["a",null]}`, fault: `tags[1]: must be a string`},
		{body: `{"participants":null}`, fault: `participants: must be an array of strings`},
		{body: `{"visibility":"MEMBERS"}`, fault: `visibility: must be one of public, members, private`},
		{body: `{"visibility":"unspecified"}`, fault: `visibility: must be one of public, members, private`},
		{body: `{"visibility":1}`, fault: `visibility: must be one of public, members, private`},
		{body: `{"tags":{},"topic":1}`, fault: `tags: must be an array of strings`},
		{body: `{"x":1,"x":2}`, fault: `x: must not be named twice`},
		{body: `{"topic":"a","topic":"a"}`, fault: `topic: must not be named twice`},
		{body: `"text"`, fault: `body: must be an object`},
		{body: ``, fault: `body: must be valid JSON`},
		{body: `{"topic":"` + strings.Repeat("[", 100) + `"}`, want: `topic:"` + strings.Repeat("[", 100) + `"`},
		{body: `{"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, fault: `body: must be at most 64 levels deep`},
	})
}

func TestDecodeMask(t *testing.T) {
	t.Parallel()
	runDecode(t, &b2bv1.UpdateThreadRequest{}, []decodeCase{
		{body: `{}`, want: `update_mask:{}`},
		{body: `[]`, want: `update_mask:{}`},
		{
			body: `{"visibility":null,"other":1,"context":null,"request_id":"r","topic":"x"}`,
			want: `topic:"x" request_id:"r" update_mask:{paths:["visibility","context","topic"]}`,
		},
		{body: `{"update_mask":["topic"],"expected_revision":"x","topic":"x"}`, want: `topic:"x" update_mask:{paths:"topic"}`},
		{body: `{"status":null}`, fault: `status: must be one of active, blocked, reviewing, resolved, closed`},
	})
	runDecode(t, &b2bv1.AddParticipantRequest{}, []decodeCase{
		{body: `{"label":null,"bot_id":"b"}`, want: `bot_id:"b" field_mask:{paths:["label","bot_id"]}`},
		{body: `{"bot_id":"b"}`, want: `bot_id:"b" field_mask:{paths:"bot_id"}`},
	})
}

func TestDecodeNumbers(t *testing.T) {
	t.Parallel()
	runDecode(t, &b2bv1.UpdateOrgSettingsRequest{}, []decodeCase{
		{body: `{"message_ttl_days":null}`, want: `update_mask:{paths:"message_ttl_days"}`},
		{body: `{"message_ttl_days":1.50e1}`, want: `message_ttl_days:15 update_mask:{paths:"message_ttl_days"}`},
		{body: `{"message_ttl_days":-9223372036854775808}`, want: `message_ttl_days:-9223372036854775808 update_mask:{paths:"message_ttl_days"}`},
		{body: `{"message_ttl_days":9223372036854775808}`, fault: `message_ttl_days: must be an integer of at most 64 bits`},
		{body: `{"message_ttl_days":1e400000000000}`, fault: `message_ttl_days: must be an integer of at most 64 bits`},
		{body: `{"message_ttl_days":1.5}`, fault: `message_ttl_days: must be an integer`},
		{body: `{"message_ttl_days":"1"}`, fault: `message_ttl_days: must be an integer`},
		{body: `{"messages_per_minute_per_bot":null}`, fault: `messages_per_minute_per_bot: must be an integer`},
		{body: `{"join_approval_required":0}`, fault: `join_approval_required: must be true or false`},
	})
	runDecode(t, &b2bv1.CreateInviteCodeRequest{}, []decodeCase{
		{body: `{"max_uses":2147483647,"expires_in":-1.5e3}`, want: `max_uses:2147483647 expires_in:-1500`},
		{body: `{"max_uses":2147483648}`, fault: `max_uses: must be an integer of at most 32 bits`},
		{body: `{"expires_in":1e999}`, fault: `expires_in: must be a number`},
		{body: `{"expires_in":"60"}`, fault: `expires_in: must be a number`},
		{body: `{"expires_in":true}`, fault: `expires_in: must be a number`},
		{body: `{"label":null}`, fault: `label: must be a string`},
	})
	runDecode(t, &b2bv1.CreateTokenRequest{}, []decodeCase{
		{body: `{"scopes":["read","full"]}`, want: `scopes:[TOKEN_SCOPE_READ,TOKEN_SCOPE_FULL]`},
		{body: `{"scopes":null}`, fault: `scopes: must be an array`},
		{body: `{"scopes":["read","root"]}`, fault: `scopes[1]: must be one of full, read, thread, message, profile, admin, a2a`},
		{body: `{"expires_in":null}`, fault: `expires_in: must be a number`},
	})
}

func TestDecodeOptions(t *testing.T) {
	t.Parallel()
	var m b2bv1.UpdateThreadRequest
	body := `{"type":"thread_update","thread_id":"t-1","expected_revision":3,"topic":"x","ref":7}`
	if err := (wire.DecodeOptions{HeaderKeys: true}).Decode([]byte(body), &m); err != nil {
		t.Fatal(err)
	}
	if m.ThreadId != "t-1" || m.GetExpectedRevision() != 3 || len(m.UpdateMask.GetPaths()) != 1 {
		t.Errorf("%v", &m)
	}
	var add b2bv1.AddArtifactRequest
	o := wire.DecodeOptions{Skip: map[string]bool{"type": true, "thread_id": true}, Rename: map[string]string{"artifact_type": "type"}}
	if err := o.Decode([]byte(`{"type":"artifact_add","thread_id":5,"artifact_type":"json"}`), &add); err != nil {
		t.Fatal(err)
	}
	if add.GetType() != b2bv1.ArtifactType_ARTIFACT_TYPE_JSON || add.ThreadId != "" {
		t.Errorf("%v", &add)
	}
	if err := o.Decode([]byte(`{"artifact_type":"x"}`), &add); !strings.HasPrefix(errorText(err), "artifact_type: must be one of text,") {
		t.Errorf("%v", err)
	}
	err := wire.Decode([]byte(`{}`), &httpbody.HttpBody{})
	var fault *wire.FieldError
	if err == nil || errors.As(err, &fault) {
		t.Errorf("a message of another schema: %v", err)
	}
}
