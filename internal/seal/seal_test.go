package seal

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestKeyring(t *testing.T) {
	t.Parallel()
	old, young, other := NewKey(), NewKey(), NewKey()
	before := New(old).Seal(Webhook("b"), "hush")
	keys := New(young, old)
	if got, err := keys.Open(Webhook("b"), before); got != "hush" || err != nil {
		t.Errorf("an older key opens %q, %v", got, err)
	}
	for _, plain := range []string{"", "x", "é\x00\xff", strings.Repeat("long", 5000)} {
		a, b := keys.Seal(Webhook("b"), plain), keys.Seal(Webhook("b"), plain)
		if got, err := keys.Open(Webhook("b"), a); got != plain || err != nil {
			t.Errorf("%.20q opens as %.20q, %v", plain, got, err)
		}
		if a == b || !strings.HasPrefix(a, young.ID()) || keys.First() != young.ID() || plain != "" && strings.Contains(a, plain) && len(plain) > 3 {
			t.Errorf("%.20q is sealed as %q and %q", plain, a, b)
		}
	}
	sealed := keys.Seal(Webhook("b"), "hush")
	for name, c := range map[string]struct {
		keys          *Keyring
		place, sealed string
		want          error
	}{
		"another key":     {New(other), Webhook("b"), sealed, ErrKey},
		"another row":     {keys, Webhook("c"), sealed, ErrBroken},
		"another kind":    {keys, Invite("b"), sealed, ErrBroken},
		"cut":             {keys, Webhook("b"), sealed[:len(sealed)-4], ErrBroken},
		"no base64":       {keys, Webhook("b"), sealed + "=", ErrBroken},
		"plain text":      {keys, Webhook("b"), "hush", ErrBroken},
		"nothing":         {keys, Webhook("b"), "", ErrBroken},
		"the id alone":    {keys, Webhook("b"), young.ID(), ErrBroken},
		"a changed start": {keys, Webhook("b"), "AAAAAAAAAAAA" + sealed[12:], ErrKey},
	} {
		if got, err := c.keys.Open(c.place, c.sealed); got != "" || !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v, want %v", name, got, err, c.want)
		}
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	keys, code := New(NewKey()), "tkt_1"
	for _, want := range []Ticket{{ID: "i"}, {ID: "i", Code: &code}} {
		sealed, err := keys.SealTicket("row", want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := keys.OpenTicket("row", sealed)
		if err != nil || got.ID != want.ID || (got.Code == nil) != (want.Code == nil) {
			t.Errorf("%+v is %+v, %v", want, got, err)
		}
		if _, err := keys.OpenTicket("another", sealed); !errors.Is(err, ErrBroken) {
			t.Errorf("another row opens it: %v", err)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
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
