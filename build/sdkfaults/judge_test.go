package main

import (
	"strconv"
	"strings"
	"testing"
)

// at returns the position after the nth event of a log.
func at(log string, n int) string { return "1." + strconv.FormatInt(int64(n), 36) + ".5." + log }

// handled returns the items of messages from one number to another, each at the position of its
// number in a log.
func handled(log string, from, until int) (items []item) {
	for n := from; n < until; n++ {
		items = append(items, item{"event", at(log, n), strconv.Itoa(n)})
	}
	return items
}

func join(parts ...[]item) (items []item) {
	for _, p := range parts {
		items = append(items, p...)
	}
	return items
}

func TestJudge(t *testing.T) {
	t.Parallel()
	var log []string
	for n := range 40 {
		log = append(log, strconv.Itoa(n))
	}
	resync := []item{{"resync", at("b", 3), "EPOCH_CHANGED"}}
	for name, c := range map[string]struct {
		lives []life
		want  string // part of the error; empty: none
	}{
		"one life":          {[]life{{items: join(handled("a", 0, 20), resync, handled("b", 20, 40))}}, ""},
		"other events":      {[]life{{items: join(handled("a", 0, 20), []item{{"other", "-", "x"}, {"other", at("a", 19), "y"}}, resync, handled("b", 20, 40))}}, ""},
		"killed":            {[]life{{items: handled("a", 0, 20)}, {stored: at("a", 17), items: join(handled("a", 18, 20), resync, handled("b", 20, 40))}}, ""},
		"between events":    {[]life{{items: join(handled("a", 0, 20), resync, handled("b", 20, 30))}, {stored: at("b", 33), items: handled("b", 30, 40)}}, ""},
		"before a resync":   {[]life{{items: handled("a", 0, 20)}, {stored: at("a", 19), items: join(resync, handled("b", 20, 40))}}, ""},
		"a new log":         {[]life{{items: handled("a", 0, 20)}, {stored: at("b", 3), items: join(resync, handled("b", 20, 40))}}, ""},
		"lost":              {[]life{{items: join(handled("a", 0, 10), handled("a", 11, 20), resync, handled("b", 20, 40))}}, "life 1 lost 1 messages before 11"},
		"lost in a resync":  {[]life{{items: join(handled("a", 0, 19), resync, handled("b", 20, 40))}}, "life 1 lost 1 messages before 20"},
		"lost at a restart": {[]life{{items: handled("a", 0, 20)}, {stored: at("a", 17), items: join(handled("a", 19, 20), resync, handled("b", 20, 40))}}, "life 2 lost 1 messages before 19"},
		"lost at the end":   {[]life{{items: join(handled("a", 0, 20), resync, handled("b", 20, 39))}}, "the last 1 messages are lost"},
		"doubled":           {[]life{{items: join(handled("a", 0, 10), handled("a", 9, 20), resync, handled("b", 20, 40))}}, "life 1 handled message 9 again"},
		"doubled after its commit": {[]life{{items: handled("a", 0, 20)}, {stored: at("a", 17), items: join(handled("a", 17, 20), resync, handled("b", 20, 40))}},
			"life 2 handled message 17 again"},
		"reordered":      {[]life{{items: join(handled("a", 0, 5), handled("a", 6, 7), handled("a", 5, 6))}}, "life 1 lost 1 messages before 6"},
		"unknown":        {[]life{{items: []item{{"event", at("a", 0), "77"}}}}, "not in the log"},
		"silent":         {[]life{{items: handled("a", 0, 40)}}, "no resync with EPOCH_CHANGED"},
		"two resyncs":    {[]life{{items: join(handled("a", 0, 20), resync, resync, handled("b", 20, 40))}}, "two resyncs"},
		"another reason": {[]life{{items: join(handled("a", 0, 20), resync, []item{{"resync", "-", "CURSOR_AHEAD"}}, handled("b", 20, 40))}}, "CURSOR_AHEAD"},
		"not saved when closed": {[]life{{closed: true, items: handled("a", 0, 20)}, {stored: at("a", 15), items: join(handled("a", 16, 20), resync, handled("b", 20, 40))}},
			"saved a position after 16 messages"},
		"malformed": {[]life{{stored: "7"}}, "malformed"},
	} {
		err := judge(log, c.lives, []string{"EPOCH_CHANGED"})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := judge([]string{"1", "1"}, nil, nil); err == nil {
		t.Error("a log with a message twice is accepted")
	}
}

func TestJudgeSends(t *testing.T) {
	t.Parallel()
	sends := map[int]sending{0: sent, 1: unsure, 2: sent}
	for log, want := range map[string]string{
		"0 1 2": "", "0 2": "", "2 1 0": "",
		"0 1":     "message 2 was acknowledged and is not in the log",
		"0 1 1 2": "message 1 was sent 2 times",
		"0 2 0":   "message 0 was sent 2 times",
		"0 2 3":   "nobody sent",
	} {
		err := judgeSends(strings.Fields(log), sends)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", log, err, want)
		}
	}
}

func TestPositionsAreCompared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		position, other string
		want            bool
	}{
		{at("a", 7), at("a", 7), true},
		{at("a", 8), at("a", 7), true},
		{at("a", 6), at("a", 7), false},
		{at("b", 8), at("a", 7), false},
		{"", at("a", 7), false},
	} {
		if got, err := isAtLeast(c.position, c.other); got != c.want || err != nil {
			t.Errorf("isAtLeast(%q, %q) = %v, %v, want %v", c.position, c.other, got, err, c.want)
		}
	}
	if _, err := isAtLeast("nonsense", at("a", 7)); err == nil {
		t.Error("a malformed position is no error")
	}
}
