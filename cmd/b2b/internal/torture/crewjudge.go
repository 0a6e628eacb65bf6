package torture

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Judge compares the log with what was asked: each question of the log is answered once by each bot
// that it asks, in the order of the questions of a thread or channel, and every acknowledged question
// is in the log. No delivery was in two hands, and of a bot no two of one thread or channel; no answer
// was accepted after the end of its lease.
func (c *Crew) Judge(log []Row) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := saidIn(log)
	errs := append(slices.Clone(c.faults), overlaps(c.holds))
	found := map[string]bool{}
	for _, m := range said {
		if _, asked := c.questions[m.text]; asked {
			if found[m.text] {
				errs = append(errs, fmt.Errorf("%q is in the log twice", m.text))
			}
			found[m.text] = true
		}
	}
	for text, acknowledged := range c.questions {
		if acknowledged && !found[text] {
			errs = append(errs, fmt.Errorf("%q was acknowledged and is not in the log", text))
		}
	}
	names := map[string]string{}
	for _, b := range c.bots[:crewBots] {
		names[b.id] = b.name
	}
	return errors.Join(append(errs, answers(said, names))...)
}

// message is one of the log.
type message struct{ scope, by, text string }

func saidIn(log []Row) (said []message) {
	for i := range log {
		if m := log[i].Event.GetThreadMessage(); m != nil {
			said = append(said, message{m.GetThreadId(), m.GetMessage().GetSenderId(), m.GetMessage().GetContent()})
		} else if m := log[i].Event.GetMessage(); m != nil {
			said = append(said, message{m.GetChannelId(), m.GetMessage().GetSenderId(), m.GetMessage().GetContent()})
		}
	}
	return said
}

// answers returns an error if the answers of the bots, given by id with their names, are not those to
// the questions that ask them, in their order in each thread and channel.
func answers(said []message, names map[string]string) error {
	type place struct{ scope, bot string }
	want, got := map[place][]string{}, map[place][]string{}
	for _, m := range said {
		if by := names[m.by]; by != "" {
			got[place{m.scope, by}] = append(got[place{m.scope, by}], m.text)
			continue
		}
		words := strings.Fields(m.text)
		for _, word := range words {
			if name, asks := strings.CutPrefix(word, "@"); asks {
				want[place{m.scope, name}] = append(want[place{m.scope, name}], answerTo(words[0], name))
			}
		}
	}
	var errs []error
	for at, texts := range want {
		if !slices.Equal(texts, got[at]) {
			errs = append(errs, fmt.Errorf("%s answered in %s %s", at.bot, at.scope, firstDifference(texts, got[at])))
		}
		delete(got, at)
	}
	for at, texts := range got {
		errs = append(errs, fmt.Errorf("%s answered in %s what nobody asked: %q", at.bot, at.scope, texts))
	}
	return errors.Join(errs...)
}

func firstDifference(want, got []string) string {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("%d times, and not %q", len(got), want[i])
		case i >= len(want):
			return fmt.Sprintf("%q after all was answered", got[i])
		case want[i] != got[i]:
			return fmt.Sprintf("%q where %q has to be (answer %d of %d, want %d)", got[i], want[i], i+1, len(got), len(want))
		}
	}
	return "as asked"
}

// overlaps returns an error if two leases on a delivery were held at the same time, or two deliveries
// of a bot in one thread or channel.
func overlaps(holds []hold) error {
	holds = slices.Clone(holds)
	slices.SortFunc(holds, func(a, b hold) int {
		return cmp.Or(cmp.Compare(a.bot, b.bot), cmp.Compare(a.scope, b.scope), a.from.Compare(b.from))
	})
	var errs []error
	for i := 1; i < len(holds); i++ {
		a, b := &holds[i-1], &holds[i]
		if a.bot == b.bot && a.scope == b.scope && a.lease != b.lease && b.from.Before(a.until) {
			errs = append(errs, fmt.Errorf("%s was held from %v to %v, and %s of the same bot and thread or channel from %v (%s, %s)",
				a.delivery, a.from, a.until, b.delivery, b.from, a.lease, b.lease))
		}
	}
	return errors.Join(errs...)
}
