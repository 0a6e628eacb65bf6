package main

import (
	"math/rand/v2"
	"sync"
)

// The faults of calls.
const (
	cutBefore     = "call cut before the server has it"
	cutAfter      = "call executed, no response"
	cutWithin     = "response cut in the middle"
	refused503    = "503"
	refused429    = "429"
	refusedAfter  = "429 with Retry-After"
	refusedDate   = "429 with a date in Retry-After, of a wrong clock"
	slowCall      = "slow call"
	doubledCall   = "call delivered twice"
	halfOpenCall  = "call half-open"
	executedAfter = "call executed after its connection ended"
)

// The faults of connections for events.
const (
	cutFrame    = "stream cut in the middle of a frame"
	cutBetween  = "stream cut between frames"
	halfOpen    = "stream half-open"
	earlyClose  = "frames after the close"
	slowFrames  = "slow stream"
	doubled     = "frames twice"
	replayed    = "earlier frames again"
	unknownType = "unknown event type"
	unknownEnum = "unknown enum value"
	expired     = "expired position"
	unavailable = "503 while the server restarts"
)

var callFaults = []string{
	cutBefore, cutBefore, cutAfter, cutAfter, cutWithin, cutWithin, refused503, refused503, refused429, refused429,
	refusedAfter, refusedDate, slowCall, doubledCall, doubledCall, halfOpenCall, executedAfter,
}

// streamEnds are the faults that end a connection, streamFaults those that do not.
var (
	streamEnds   = []string{cutFrame, cutFrame, cutBetween, halfOpen, earlyClose}
	streamFaults = []string{slowFrames, doubled, replayed, unknownType, unknownEnum}
)

// pace is how often faults occur. Each one that ends a connection makes the next pause of a listener
// longer.
type pace struct {
	calls   int // one in so many fails
	streams int // so many end in the life of an agent
}

// pace returns that of a thorough run, or of one that takes less time.
func (s *schedule) pace() pace {
	if s.thorough {
		return pace{calls: 25, streams: 2}
	}
	return pace{calls: 80, streams: 1}
}

// plan is what happens to a connection for events.
type plan struct {
	refusal string // it is not opened
	end     string // empty: it is left alone
	after   int    // frames, before it ends
	faults  map[string]bool
	rng     *rand.Rand // for details
}

// schedule decides what happens in a lane. It is for concurrent use.
type schedule struct {
	language string
	thorough bool

	mu      sync.Mutex
	calls   *rand.Rand
	streams *rand.Rand
	opened  int // connections for events in the life of the agent
	expire  bool
	counts  counts // shared by the lanes of a run, with countsMu
	shared  *sync.Mutex
}

func newSchedule(seed, lane uint64, language string, thorough bool, c counts, shared *sync.Mutex) *schedule {
	return &schedule{
		language: language, thorough: thorough, counts: c, shared: shared,
		calls: rand.New(rand.NewPCG(seed, 2*lane)), streams: rand.New(rand.NewPCG(seed, 2*lane+1)),
	}
}

// happened counts a fault.
func (s *schedule) happened(fault string) {
	s.shared.Lock()
	defer s.shared.Unlock()
	s.counts.count(s.language, fault, 1)
}

// call returns the fault of the next call; empty: none.
func (s *schedule) call() (fault string, rng *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rng = rand.New(rand.NewPCG(s.calls.Uint64(), 0))
	if s.calls.IntN(s.pace().calls) == 0 {
		fault = callFaults[s.calls.IntN(len(callFaults))]
	}
	return fault, rng
}

// stream returns the plan of the next connection for events. position reports whether it begins
// at one.
func (s *schedule) stream(position bool) plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := plan{rng: rand.New(rand.NewPCG(s.streams.Uint64(), 0)), faults: map[string]bool{}}
	if s.expire && position {
		s.expire = false
		p.refusal = expired
		return p
	}
	for _, fault := range streamFaults {
		p.faults[fault] = p.rng.IntN(3) == 0
	}
	if s.opened++; s.opened > s.pace().streams {
		return p
	}
	if refusals := []string{refused503, refusedAfter}; p.rng.IntN(6) == 0 {
		if s.thorough {
			refusals = append(refusals, refused429) // a listener waits for 30 seconds
		}
		p.refusal = refusals[p.rng.IntN(len(refusals))]
		return p
	}
	p.end, p.after = streamEnds[p.rng.IntN(len(streamEnds))], 1+p.rng.IntN(120)
	return p
}

// reborn begins another life of the agent.
func (s *schedule) reborn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = 0
}

// expireNext makes the next connection that begins at a position find that it expired.
func (s *schedule) expireNext() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire = true
}
