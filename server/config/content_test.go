package config

import (
	"strings"
	"testing"
)

// B2B-ENV-008: the longest allowed content can be received.
func TestLongestContent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, value string
		want        int // 0: refused
		warned      bool
	}{
		{"B2B_MAX_MSG_LEN", "1047552", 1047552, false}, {"B2B_MAX_MSG_LEN", "1047553", 0, false}, {"B2B_MAX_MSG_LEN", "2000000000", 0, false},
		{"HXA_CONNECT_MAX_MSG_LEN", "1047552", 1047552, false}, {"HXA_CONNECT_MAX_MSG_LEN", "5000000", 1047552, true},
	} {
		c, err := Load(vars(test.name, test.value))
		switch {
		case test.want == 0 && (err == nil || !strings.Contains(err.Error(), test.name) || !strings.Contains(err.Error(), "1 MiB")):
			t.Errorf("%s=%s is not refused with its reason: %v", test.name, test.value, err)
		case test.want != 0 && (err != nil || c.MaxMessage != test.want || (len(c.Warnings()) > 0) != test.warned):
			t.Errorf("%s=%s: %d, %v, warnings %q", test.name, test.value, c.MaxMessage, err, c.Warnings())
		}
	}
	c := Default()
	c.AdminSecret, c.MaxMessage = goodSecret, 1047553
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "B2B_MAX_MSG_LEN") {
		t.Errorf("made by hand: %v", err)
	}
	if c.MaxMessage = 1047552; c.Validate() != nil {
		t.Errorf("made by hand, as long as can arrive: %v", c.Validate())
	}
}
