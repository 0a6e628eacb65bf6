package wire_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func TestEntityTags(t *testing.T) {
	t.Parallel()
	const fault = "If-Match: must be a number in quotes, or a list of them"
	for value, want := range map[string]any{
		`"3"`: []int64{3}, `3`: []int64{3}, `W/"3"`: []int64{3}, ` "3" `: []int64{3}, `"3abc"`: []int64{3}, `"-1"`: []int64{-1}, `"0"`: []int64{0},
		`"1", "2"`: []int64{1, 2}, `"1",W/"2" , 7`: []int64{1, 2, 7}, `"4",`: []int64{4}, `, "4"`: []int64{4}, "\"1\"\n\"2\"": []int64{1, 2},
		"\"1\"\n": []int64{1},
		`*`:       []int64(nil), `W/*`: []int64(nil), `"1", *`: []int64(nil), "\"1\"\n*": []int64(nil),
		``: fault, `"x"`: fault, `""`: fault, `"`: fault, `text`: fault, `"1", x`: fault, `,`: fault, "\n": fault, "\"1\"\nx": fault,
	} {
		var m b2bv1.UpdateThreadRequest
		err := wire.SetHeader(&m, http.Header{"If-Match": strings.Split(value, "\n")})
		if text, faulty := want.(string); faulty {
			if errorText(err) != text {
				t.Errorf("%.20q: %v, want %s", value, err, text)
			}
			continue
		}
		var got []int64
		if m.ExpectedRevision != nil {
			got = append(got, m.GetExpectedRevision())
		}
		if got = append(got, m.ExpectedRevisions...); err != nil || !slices.Equal(got, want.([]int64)) {
			t.Errorf("%q: %v, %v, want %v", value, got, err, want)
		}
	}
	var m b2bv1.UpdateThreadRequest
	if err := wire.SetHeader(&m, http.Header{}); err != nil || m.ExpectedRevision != nil {
		t.Errorf("no header: %v, %v", &m, err)
	}
}

// A header that is a text is opaque: it is neither an entity tag nor a list.
func TestHeaderText(t *testing.T) {
	t.Parallel()
	const before = "from the query"
	for value, want := range map[string]string{
		"1.a.b.c": "1.a.b.c", "*": "*", `"1.a.b.c"`: `"1.a.b.c"`, `W/"1.a.b.c"`: `W/"1.a.b.c"`, "a, b": "a, b",
		"": before, "\n": before, "x\nx": "x", "\nx": "x",
	} {
		m := b2bv1.SubscribeRequest{Cursor: new(before)}
		if err := wire.SetHeader(&m, http.Header{"Last-Event-Id": strings.Split(value, "\n")}); err != nil || m.GetCursor() != want {
			t.Errorf("%q: %q, %v, want %q", value, m.GetCursor(), err, want)
		}
	}
	for _, value := range []string{"x\ny", "x\n\ny"} {
		var m b2bv1.SubscribeRequest
		if err := wire.SetHeader(&m, http.Header{"Last-Event-Id": strings.Split(value, "\n")}); errorText(err) != "Last-Event-ID: must be sent once" {
			t.Errorf("%q: %v", value, err)
		}
	}
}
