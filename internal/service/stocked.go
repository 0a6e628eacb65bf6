package service

import "sync"

// stockedMost is how many inboxes are remembered. When there are more, all are forgotten.
const stockedMost = 4096

// stocked remembers the bots whose last claim on this node got something: the next one probably does
// as well, so it does not look first.
type stocked struct {
	mu   sync.Mutex
	bots map[string]struct{}
}

func (s *stocked) has(bot string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.bots[bot]
	return ok
}

// set records whether a claim got something.
func (s *stocked) set(bot string, got bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !got:
		delete(s.bots, bot)
	case s.bots == nil || len(s.bots) >= stockedMost:
		s.bots = map[string]struct{}{bot: {}}
	default:
		s.bots[bot] = struct{}{}
	}
}
