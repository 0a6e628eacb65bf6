package table

import (
	"fmt"
	"strings"
)

// Goal is what a row is measured against.
type Goal struct {
	Targets   []Target
	Reference Reference
}

// Target is a figure to reach.
type Target struct {
	Of    Of
	Value float64
	Unit  string // of an absolute figure
}

// Of is what a target relates to.
type Of int

// A target is a figure of ours, or relates ours to the floor or to the reference. AtMost is a
// figure of ours that is a limit.
const (
	AtLeast Of = iota
	AtMost
	OfFloor
	OfReference
)

// figure returns what the target limits, of a row measured on a machine of the given speed.
func (t Target) figure(r Row, ref Reference, speed float64) float64 {
	switch t.Of {
	case OfFloor:
		return Median(r.Ratios())
	case OfReference:
		return ref.times(r, speed)
	}
	return Median(r.Ours)
}

func (t Target) reached(v float64) bool {
	if t.Of == AtMost {
		return v <= t.Value
	}
	return v >= t.Value
}

func (t Target) String() string {
	if t.Of == AtMost {
		return "≤ " + t.text(t.Value)
	}
	return "≥ " + t.text(t.Value)
}

// text formats a value in the unit of the target.
func (t Target) text(v float64) string {
	switch t.Of {
	case OfFloor:
		return fmt.Sprintf("%.2f of floor", v)
	case OfReference:
		return fmt.Sprintf("%.3g × HXA", v)
	}
	return fmt.Sprintf("%.5g %s", v, t.Unit)
}

func (g Goal) targets() string {
	if len(g.Targets) == 0 {
		return "–"
	}
	texts := make([]string, len(g.Targets))
	for i, t := range g.Targets {
		texts[i] = t.String()
	}
	return strings.Join(texts, ", ")
}

// Reference is the published figure of HXA-Connect 1.7.2: the lowest and the highest of several
// runs. The zero value is no figure.
type Reference struct {
	Low, High float64
	Unit      string
	Size      bool // a size, which does not depend on the speed of the machine
}

func (r Reference) String() string {
	switch {
	case r.High == 0:
		return "–"
	case r.Low == r.High:
		return fmt.Sprintf("%.0f %s", r.High, r.Unit)
	}
	return fmt.Sprintf("%.0f to %.0f %s", r.Low, r.High, r.Unit)
}

// times returns our figure relative to that of the reference, as if it had run here.
func (r Reference) times(row Row, speed float64) float64 {
	if r.Size {
		speed = 1
	}
	return Median(row.Ours) / ((r.Low + r.High) / 2 * speed)
}

// referenceFloor is the rate of the floor of direct messages on the machine on which HXA-Connect was
// measured, in the same runs: 3,760 to 4,780 a second.
const referenceFloor = 4270

// Speed returns the speed of this machine relative to the one on which the reference was measured,
// by the floor of direct messages. It is 1 if the rows lack it.
func Speed(rows []Row) float64 {
	for _, r := range rows {
		if r.Name == Direct && len(r.Floor) > 0 {
			return Median(r.Floor) / referenceFloor
		}
	}
	return 1
}

// Names of the rows.
const (
	Direct       = "direct messages over REST"
	ThreadPosts  = "thread posts"
	SocketSends  = "WebSocket sends, acknowledged"
	CountSmall   = "catch-up count, 25,000 events in the log"
	CountLarge   = "catch-up count, 275,000 events in the log"
	ListBots     = "list of 1,000 bots, nothing changed"
	ListChanged  = "list of 1,000 bots, one changed before each"
	GetThread    = "get thread (13 participants)"
	ReadMessages = "read 50 messages of a thread"
	Artifacts    = "artifact updates"
	Connecting   = "1,000 bots of one org connecting"
	PostgresPost = "PostgreSQL: thread posts, 10 participants"
	PostgresSend = "PostgreSQL: direct messages"
	Disk         = "disk for a 220-byte message"
	Idle         = "idle memory"
)

// Goals has the targets of the rows and the published figures of HXA-Connect, by name.
var Goals = map[string]Goal{
	Direct:       {[]Target{{Of: OfFloor, Value: 0.85}, {Of: OfReference, Value: 10}}, rate(311, 350)},
	ThreadPosts:  {[]Target{{Of: OfFloor, Value: 0.8}, {Of: OfReference, Value: 10}}, rate(311, 316)},
	SocketSends:  {[]Target{{Of: OfFloor, Value: 0.85}, {Of: OfReference, Value: 10}}, rate(524, 550)},
	CountSmall:   {[]Target{{Value: 10_000, Unit: perSecond}}, rate(1017, 1060)},
	CountLarge:   {[]Target{{Value: 10_000, Unit: perSecond}}, rate(1017, 1060)},
	ListBots:     {[]Target{{Value: 1500, Unit: perSecond}}, rate(55, 55)},
	ListChanged:  {[]Target{{Value: 300, Unit: perSecond}}, rate(55, 55)},
	GetThread:    {[]Target{{Of: OfReference, Value: 10}}, rate(744, 772)},
	ReadMessages: {Targets: []Target{{Of: OfFloor, Value: 0.95}}},
	Artifacts:    {[]Target{{Of: OfReference, Value: 10}}, rate(317, 348)},
	Connecting:   {[]Target{{Value: 600, Unit: perSecond}}, rate(54, 59)},
	PostgresPost: {Targets: []Target{{Value: 3000, Unit: perSecond}}},
	PostgresSend: {Targets: []Target{{Value: 3000, Unit: perSecond}}},
	Disk:         {Targets: []Target{{Of: AtMost, Value: 1, Unit: "KB"}}},
	Idle:         {[]Target{{Of: AtMost, Value: 25, Unit: "MB"}}, Reference{Low: 97, High: 97, Unit: "MB", Size: true}},
}

const perSecond = "/s"

func rate(low, high float64) Reference { return Reference{Low: low, High: high, Unit: perSecond} }
