// Package scenario describes an org of agents at work: its bots, threads and messages, and the
// operations of its bots in time. All of it follows from a seed, so that two runs, on two databases
// or of two versions, do the same.
//
// Activity follows a power law, as it does among people: the k-th busiest thread has about 1/k of
// the activity of the busiest, and so have the bots. The shares of the operations and the sizes of
// messages are assumptions, which [Mix] and the constants of this package state.
package scenario

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

const (
	exponent = 1.1 // of the power law of activity
	offset   = 10  // flattens its head, so that no thread has most of the activity

	messageMedian, messageSpread, messageMost    = 220, 1.0, 16 << 10 // bytes, log-normal
	artifactMedian, artifactSpread, artifactMost = 2000, 1.2, 64 << 10

	participantsLeast, participantsMost = 2, 200
)

// Size is how much there is.
type Size struct {
	Seed     uint64
	Bots     int
	Threads  int
	Messages int // of the threads, when the load begins
}

// Org is an org with its bots and threads.
type Org struct {
	Size
	threads [][]int32 // bots of each thread; its first bot created it
	order   []int32   // bots by activity
}

// New makes an org. It panics with fewer than two bots or no thread.
func New(s Size) *Org {
	if s.Bots < participantsLeast || s.Threads < 1 {
		panic("scenario: an org has at least two bots and a thread")
	}
	o := &Org{Size: s, threads: make([][]int32, s.Threads)}
	r := o.random("threads")
	for _, b := range r.Perm(s.Bots) {
		o.order = append(o.order, int32(b))
	}
	bots := o.zipf(r, s.Bots)
	for i := range o.threads {
		o.threads[i] = o.members(r, bots)
	}
	return o
}

// random returns the numbers of one purpose.
func (o *Org) random(purpose string) *rand.Rand {
	return rand.New(rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%d %s", o.Seed, purpose))))
}

// zipf returns ranks below n by the power law.
func (o *Org) zipf(r *rand.Rand, n int) *rand.Zipf {
	return rand.NewZipf(r, exponent, offset, uint64(n-1))
}

// members chooses the bots of a thread. Half of the threads have two, and two in a hundred have
// twenty or more.
func (o *Org) members(r *rand.Rand, bots *rand.Zipf) []int32 {
	count := participantsLeast
	for count < min(participantsMost, o.Bots) && r.Float64() < grows(count) {
		count++
	}
	members := make([]int32, 0, count)
	for tries := 0; len(members) < count; tries++ {
		bot := o.order[bots.Uint64()]
		if tries > 4*count { // the busiest are in it
			bot = int32(r.IntN(o.Bots))
		}
		if !slices.Contains(members, bot) {
			members = append(members, bot)
		}
	}
	return members
}

// grows is the probability that a thread with a number of participants gets one more: a power law
// with the exponent 1.7 for the number of threads with at least as many.
func grows(count int) float64 {
	return math.Pow(float64(count)/float64(count+1), 1.7)
}

// Participants returns the bots of a thread.
func (o *Org) Participants(thread int) []int32 { return o.threads[thread] }

// ByActivity returns the bots, the most active first.
func (o *Org) ByActivity() []int32 { return o.order }

// ID returns the id of the n-th object of a kind, of the form of a UUID.
func (o *Org) ID(kind string, n int) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%d %s %d", o.Seed, kind, n))
	h[6], h[8] = h[6]&0x0f|0x40, h[8]&0x3f|0x80
	x := hex.EncodeToString(h[:16])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// Token returns the token of a bot.
func (o *Org) Token(bot int32) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%d token %d", o.Seed, bot))
	return "bot_" + hex.EncodeToString(h[:24])
}

// BotName returns the name of a bot.
func BotName(bot int32) string { return fmt.Sprintf("agent-%05d", bot) }

const words = "the build is green again after the retry; the plan for the next step is in the artifact, please review it and answer here. "

// text returns a text of a log-normal size.
func text(r *rand.Rand, median int, spread float64, most int) string {
	size := min(most, max(1, int(float64(median)*math.Exp(r.NormFloat64()*spread))))
	start := r.IntN(len(words))
	return strings.Repeat(words, 2+size/len(words))[start : start+size]
}

func messageText(r *rand.Rand) string { return text(r, messageMedian, messageSpread, messageMost) }

// Message is a message of the history of a thread.
type Message struct {
	Thread  int
	Sender  int32
	Content string
	At      float64 // when, from 0, the oldest, to 1
}

// History calls each for every message, in the order of time, until it returns an error.
func (o *Org) History(each func(n int, m Message) error) error {
	r := o.random("history")
	threads := o.zipf(r, o.Threads)
	for n := range o.Messages {
		m := Message{Thread: int(threads.Uint64()), At: float64(n) / float64(o.Messages)}
		members := o.threads[m.Thread]
		m.Sender = members[r.IntN(len(members))]
		m.Content = messageText(r)
		if err := each(n, m); err != nil {
			return err
		}
	}
	return nil
}
