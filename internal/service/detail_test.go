package service

import (
	"encoding/json"
	"testing"
)

func TestAuditText(t *testing.T) {
	t.Parallel()
	for _, d := range []detail{
		{}, {"thread_id": "t"}, {"to": "b", "channel_id": "c", "via": "ws"}, {"quote": "\"\\\n<é\u2028"},
		{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}, {"count": 3, "name": nil},
	} {
		got, err := auditText(d)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal(want, &b) != nil {
			t.Fatalf("%s is not JSON", got)
		}
		if x, y := mustMarshal(t, a), mustMarshal(t, b); x != y {
			t.Errorf("got %s, want %s", x, y)
		}
	}
}

func mustMarshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
