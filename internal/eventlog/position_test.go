package eventlog

import (
	"errors"
	"math"
	"net/url"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func TestPositionText(t *testing.T) {
	t.Parallel()
	const epoch = "0192b3c4-d5e6-7f80-9123-456789abcdef"
	for _, p := range []Position{
		{epoch, 0, 0}, {epoch, 1, 7}, {epoch, math.MaxInt64, math.MaxUint32}, {"e", 5, 1}, {strings.Repeat("x", maxEpoch), math.MaxInt64, math.MaxUint32},
	} {
		text := p.String()
		if len(text) > 64 || url.QueryEscape(text) != text {
			t.Errorf("%q: too long, or needs escapes", text)
		}
		for _, form := range []string{text, text + "~1.2.3"} {
			if got, err := ParsePosition(form); err != nil || got != p {
				t.Errorf("%q: got %v, %v", form, got, err)
			}
		}
	}
	good := Position{epoch, 10, 7}.String()
	for _, bad := range []string{
		"", "1", "~", "x", "12", good + ".", "." + good, "2" + good[1:], strings.ToUpper(good[:6]) + good[6:] + "!", good + "\x00",
		strings.Replace(good, ".a.", ".-a.", 1), strings.Replace(good, ".a.", ".0a.", 1), strings.Replace(good, ".a.", ".A.", 1),
		strings.Replace(good, ".a.", ".+a.", 1), strings.Replace(good, ".7.", "..", 1), "1.a.7.", "1.a.zzzzzzz.e", "1.a.7." + strings.Repeat("x", 60),
		"0192b3c4-d5e6-7f80-9123-456789abcdef", good + good,
	} {
		_, err := ParsePosition(bad)
		var e *call.Error
		if !errors.As(err, &e) || e.Code != b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add("1.a.7.e")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePosition(text)
		if err != nil {
			return
		}
		if bare, _, _ := strings.Cut(text, "~"); p.String() != bare || p.Seq < 0 || len(bare) > 64 {
			t.Errorf("%q reads as %v", text, p)
		}
	})
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	a, b := "a", "b"
	seen := map[uint32]int{}
	for i, e := range []store.Event{
		{}, {At: 1}, {Type: "x"}, {ThreadID: &a}, {ChannelID: &a}, {BotID: &a}, {ActorID: &a}, {ThreadID: &b}, {ThreadID: &a, ChannelID: &b},
	} {
		f := fingerprint(&e)
		if other, ok := seen[f]; ok || f == 0 {
			t.Errorf("events %d and %d have the same fingerprint %d", i, other, f)
		}
		seen[f] = i
		e.Payload = []byte("redacted")
		if fingerprint(&e) != f {
			t.Error("the payload matters")
		}
	}
}
