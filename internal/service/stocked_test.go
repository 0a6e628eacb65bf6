package service

import (
	"fmt"
	"testing"
)

func TestStockedInboxes(t *testing.T) {
	t.Parallel()
	var s stocked
	if s.has("b") {
		t.Error("a new set has a bot")
	}
	s.set("b", false)
	s.set("b", true)
	s.set("c", true)
	if !s.has("b") || !s.has("c") {
		t.Error("a claim that got something is not remembered")
	}
	if s.set("b", false); s.has("b") || !s.has("c") {
		t.Error("a claim that got nothing is not remembered, or forgets another bot")
	}
	for i := range 3 * stockedMost {
		s.set(fmt.Sprint(i), true)
		if len(s.bots) > stockedMost {
			t.Fatalf("%d bots are remembered, at most %d may be", len(s.bots), stockedMost)
		}
	}
}
