package sqlstore

import "github.com/b2b-protocol/b2b/internal/store"

// waiting are the last events of logs, of the batches of this process, that are not in the index,
// and the ends of the streams that were indexed last: so neither are read again. It is dropped
// when a batch fails, or another process has written.
type waiting struct {
	logs map[string][]indexed
	n    int // events of all logs
	ends map[string]knownEnds
}

// knownEnds are ends of streams of a log, of which the index ends at the event at.
type knownEnds struct {
	at   int64
	ends map[streamKey]streamEnd
}

const (
	waitingMax = 1 << 14 // events of all logs
	endsMax    = 1 << 12 // ends of streams of one log
	endsLogs   = 64      // logs with ends
)

// add adds the events of a batch, which begins with the state of the log l. It returns all events
// behind the index, if it has them.
func (w *waiting) add(org string, l *orgLog) []indexed {
	if len(l.events) == 0 {
		return nil
	}
	list := w.logs[org]
	w.n -= len(list)
	if n := len(list); n > 0 && list[n-1].seq+1 != l.events[0].Seq {
		list = list[:0]
	}
	if n := len(list); n > 0 && list[0].seq <= l.indexed {
		list = append(list[:0], list[min(l.indexed+1-list[0].seq, int64(n)):]...)
	}
	if w.n+len(list)+len(l.events) > waitingMax {
		clear(w.logs)
		w.n, list = 0, nil
	}
	if len(list) == 0 && l.events[0].Seq != l.indexed+1 || len(l.events) > waitingMax {
		delete(w.logs, org)
		return nil
	}
	for i := range l.events {
		e := &l.events[i]
		scope, party := scopeOf(e)
		list = append(list, indexed{seq: e.Seq, at: e.At, typ: e.Type, scope: scope, party: party})
	}
	w.logs[org] = list
	w.n += len(list)
	if list[0].seq != l.indexed+1 {
		return nil
	}
	return list
}

// scopeOf returns the scope and the party of an event; the scope is empty without one.
func scopeOf(e *store.Event) (scope, party string) {
	id := (*string)(nil)
	switch e.Audience {
	case store.AudienceChannel:
		id = e.ChannelID
	case store.AudienceThread:
		id = e.ThreadID
	case store.AudienceBot:
		id = e.BotID
	default:
	}
	if id == nil {
		return "", ""
	}
	return *id, store.PartyOf(e)
}

// endsOf returns the known ends of streams of a log. The caller may add others.
func (w *waiting) endsOf(org string, l *orgLog) map[streamKey]streamEnd {
	if k := w.ends[org]; k.at == l.indexed && k.ends != nil {
		return k.ends
	}
	return map[streamKey]streamEnd{}
}

// keep makes the ends of streams known, after the index has advanced.
func (w *waiting) keep(org string, l *orgLog, ends map[streamKey]streamEnd) {
	w.forget(org)
	if len(ends) > endsMax {
		return
	}
	if w.ends == nil || len(w.ends) >= endsLogs {
		w.ends = map[string]knownEnds{}
	}
	w.ends[org] = knownEnds{l.indexed, ends}
}

// forget drops the ends of streams of a log.
func (w *waiting) forget(org string) { delete(w.ends, org) }
