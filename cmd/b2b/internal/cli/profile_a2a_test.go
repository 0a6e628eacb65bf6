package cli_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// profile set --a2a changes one key of the protocols of a profile, and leaves what a bot says there.
func TestProfileA2A(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	for _, x := range []struct{ was, flag, want string }{
		{`{"mail":"x"}`, "--a2a", `{"a2a":true,"mail":"x"}`},
		{`{"a2a":{"skills":[]}}`, "--a2a", `{"a2a":{"skills":[]}}`},
		{`{"a2a":false}`, "--a2a", `{"a2a":true}`},
		{`{"a2a":{"skills":[]},"mail":"x"}`, "--a2a=false", `{"mail":"x"}`},
	} {
		if _, err := c.worker.Bots.UpdateProfile(t.Context(), &b2bv1.UpdateProfileRequest{Protocols: proto.String(x.was)}); err != nil {
			t.Fatal(err)
		}
		if res := c.m.run("", "profile", "set", x.flag); res.status != 0 {
			t.Fatalf("exit %d, %s", res.status, res.err)
		}
		me, err := c.worker.Bots.GetMe(t.Context(), &b2bv1.GetMeRequest{})
		if err != nil || me.GetBot().GetProtocols() != x.want {
			t.Errorf("%s after %s: %s, want %s (%v)", x.was, x.flag, me.GetBot().GetProtocols(), x.want, err)
		}
	}
	if _, err := c.worker.Bots.UpdateProfile(t.Context(), &b2bv1.UpdateProfileRequest{Protocols: proto.String(`["mail"]`)}); err != nil {
		t.Fatal(err)
	}
	if res := c.m.run("", "profile", "set", "--a2a"); res.status == 0 || !strings.Contains(res.err, "are no object") {
		t.Errorf("protocols that are an array: exit %d, %s", res.status, res.err)
	}
}
