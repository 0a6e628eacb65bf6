package seal

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestRing(t *testing.T) {
	old, young, other := NewKey(), NewKey(), NewKey()
	before := New(old).Seal(Webhook("b"), "hush")
	ring := New(young, old)
	if got, err := ring.Open(Webhook("b"), before); got != "hush" || err != nil {
		t.Errorf("an older key opens %q, %v", got, err)
	}
	for _, plain := range []string{"", "x", "é\x00\xff", strings.Repeat("long", 5000)} {
		a, b := ring.Seal(Webhook("b"), plain), ring.Seal(Webhook("b"), plain)
		if got, err := ring.Open(Webhook("b"), a); got != plain || err != nil {
			t.Errorf("%.20q opens as %.20q, %v", plain, got, err)
		}
		if a == b || !strings.HasPrefix(a, young.ID()) || ring.First() != young.ID() || plain != "" && strings.Contains(a, plain) && len(plain) > 3 {
			t.Errorf("%.20q is sealed as %q and %q", plain, a, b)
		}
	}
	sealed := ring.Seal(Webhook("b"), "hush")
	for name, c := range map[string]struct {
		ring          *Ring
		place, sealed string
		want          error
	}{
		"another key":     {New(other), Webhook("b"), sealed, ErrKey},
		"another row":     {ring, Webhook("c"), sealed, ErrBroken},
		"another kind":    {ring, Invite("b"), sealed, ErrBroken},
		"cut":             {ring, Webhook("b"), sealed[:len(sealed)-4], ErrBroken},
		"no base64":       {ring, Webhook("b"), sealed + "=", ErrBroken},
		"plain text":      {ring, Webhook("b"), "hush", ErrBroken},
		"nothing":         {ring, Webhook("b"), "", ErrBroken},
		"the id alone":    {ring, Webhook("b"), young.ID(), ErrBroken},
		"a changed start": {ring, Webhook("b"), "AAAAAAAAAAAA" + sealed[12:], ErrKey},
	} {
		if got, err := c.ring.Open(c.place, c.sealed); got != "" || !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v, want %v", name, got, err, c.want)
		}
	}
}

func TestTickets(t *testing.T) {
	ring, code := New(NewKey()), "tkt_1"
	for _, want := range []Ticket{{ID: "i"}, {ID: "i", Code: &code}} {
		sealed, err := ring.SealTicket("row", want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ring.OpenTicket("row", sealed)
		if err != nil || got.ID != want.ID || (got.Code == nil) != (want.Code == nil) {
			t.Errorf("%+v is %+v, %v", want, got, err)
		}
		if _, err := ring.OpenTicket("another", sealed); !errors.Is(err, ErrBroken) {
			t.Errorf("another row opens it: %v", err)
		}
	}
}

func TestKeys(t *testing.T) {
	a, b := NewKey(), NewKey()
	keys, err := ParseKeys(" " + a.Text() + ", " + strings.ToUpper(b.Text()) + ",")
	if err != nil || len(keys) != 2 || keys[0] != a || keys[1] != b || a == b || a.ID() == b.ID() || len(a.ID()) != 12 {
		t.Errorf("%v, %v", keys, err)
	}
	if none, err := ParseKeys(" , "); none != nil || err != nil {
		t.Errorf("%v, %v of nothing", none, err)
	}
	for _, text := range []string{"x", a.Text()[1:], a.Text() + "00", a.Text()[:63] + "g", a.Text() + ";" + b.Text()} {
		if _, err := ParseKeys(text); err == nil || strings.Contains(err.Error(), text) && len(text) > 1 {
			t.Errorf("%q: %v", text, err)
		}
	}
	if said := fmt.Sprintf("%v %+v %#v %s %x", a, a, a, a, a); strings.Contains(said, a.Text()) {
		t.Errorf("a key prints as itself: %s", said)
	}
}
