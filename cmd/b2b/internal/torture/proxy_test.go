package torture

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

func TestFilters(t *testing.T) {
	t.Parallel()
	postgres := "Z\x00\x00\x00\x05I" + "A\x00\x00\x00\x0a123456" + "D\x00\x00\x00\x06ab" + "A\x00\x00\x00\x04"
	redis := "+OK\r\n" + ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\na\nb\r\n" + "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n" +
		"%1\r\n+server\r\n$5\r\nredis\r\n" + "$-1\r\n" + "_\r\n" + "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$0\r\n\r\n" + "*0\r\n"
	for _, c := range []struct {
		name, text, without string
		pass                filter
		notifications       int
	}{
		{"postgres", postgres, "Z\x00\x00\x00\x05I" + "D\x00\x00\x00\x06ab", passPostgres, 2},
		{"redis", redis, strings.NewReplacer(">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\na\nb\r\n", "", "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$0\r\n\r\n", "").Replace(redis), passRedis, 2},
	} {
		for _, lose := range []bool{false, true} {
			var out bytes.Buffer
			got := 0
			from := bufio.NewReader(strings.NewReader(c.text))
			for c.pass(&out, from, func() bool { got++; return lose }) == nil {
			}
			want := c.text
			if lose {
				want = c.without
			}
			if out.String() != want || got != c.notifications {
				t.Errorf("%s, losing %v: %d notifications, %q, want %q", c.name, lose, got, out.String(), want)
			}
		}
	}
}
