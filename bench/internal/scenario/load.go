package scenario

import (
	"math/rand/v2"
	"time"
)

// Kind is a kind of operation.
type Kind string

// The operations of a bot.
const (
	Post       Kind = "thread post"
	SocketPost Kind = "thread post over WebSocket"
	Direct     Kind = "direct message"
	Artifact   Kind = "artifact version"
	NewThread  Kind = "new thread"
	Read       Kind = "read 50 messages"
	GetThread  Kind = "get thread"
	Count      Kind = "catch-up count"
	CatchUp    Kind = "catch-up"
	Profile    Kind = "profile of a bot"
)

// Share is how many of a thousand operations are of a kind.
type Share struct {
	Kind Kind
	Of   int
}

// Mix is the assumed share of each operation: four in ten change something, half of the reads are
// of the thread in which a bot was mentioned, and a bot that comes back counts, then catches up.
var Mix = []Share{
	{Post, 200}, {SocketPost, 100}, {Direct, 80}, {Artifact, 20}, {NewThread, 5},
	{Read, 325}, {GetThread, 150}, {Count, 70}, {CatchUp, 40}, {Profile, 10},
}

// Writes reports whether an operation stores a message or a version of an artifact.
func (k Kind) Writes() bool {
	return k == Post || k == SocketPost || k == Direct || k == Artifact || k == NewThread
}

// Op is an operation of a bot at a time after the beginning of the load.
type Op struct {
	N       int
	At      time.Duration
	Kind    Kind
	Bot     int32
	Thread  int
	Peer    int32 // of a direct message
	Content string
}

// Load makes operations at random times, at a rate on average. The time of an operation does
// not depend on the end of others.
type Load struct {
	org     *Org
	rand    *rand.Rand
	mix     []Share
	total   int
	rate    float64
	threads *rand.Zipf
	bots    *rand.Zipf
	n       int
	at      float64 // seconds
}

// Load returns the operations of a run. Runs with different names differ.
func (o *Org) Load(run string, rate float64, mix []Share) *Load {
	r := o.random("load " + run)
	l := &Load{org: o, rand: r, mix: mix, rate: rate, threads: o.zipf(r, o.Threads), bots: o.zipf(r, o.Bots)}
	for _, s := range mix {
		l.total += s.Of
	}
	return l
}

// Next returns the next operation.
func (l *Load) Next() Op {
	l.at += l.rand.ExpFloat64() / l.rate
	op := Op{N: l.n, At: time.Duration(l.at * float64(time.Second)), Kind: l.kind(), Thread: int(l.threads.Uint64())}
	l.n++
	members := l.org.threads[op.Thread]
	op.Bot = members[l.rand.IntN(len(members))]
	switch op.Kind {
	case Post, SocketPost:
		op.Content = messageText(l.rand)
	case Artifact:
		op.Content = text(l.rand, artifactMedian, artifactSpread, artifactMost)
	case Direct, NewThread, Count, CatchUp, Profile:
		op.Bot = l.org.order[l.bots.Uint64()]
		op.Peer = l.org.order[l.bots.Uint64()]
		if op.Peer == op.Bot {
			op.Peer = (op.Bot + 1) % int32(l.org.Bots)
		}
		op.Content = messageText(l.rand)
	}
	return op
}

func (l *Load) kind() Kind {
	n := l.rand.IntN(l.total)
	for _, s := range l.mix {
		if n < s.Of {
			return s.Kind
		}
		n -= s.Of
	}
	return l.mix[len(l.mix)-1].Kind // not reached: n is below the sum of the shares
}
