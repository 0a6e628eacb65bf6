package server_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
	nodes "github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/search"
	"github.com/b2b-protocol/b2b/internal/store"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// foreignMark is in every name and text of the other org, which no response may contain.
const foreignMark = "zebra"

// TestCrossOrg calls every RPC with every id of another org in every id field, as every kind of
// caller. The response must be, byte for byte, that for an unknown id. It never contains anything
// of the other org, which is not changed, and neither is its log. (Super admins are left out where
// the schema gives them access, since no org is foreign to them.)
func TestCrossOrg(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	foreign := n.newOrg(t, foreignMark)
	invite := n.must(t, n.operator, "POST", "/api/platform/invite-codes", map[string]any{"label": foreignMark})
	foreign.add("invite", invite["id"].(string))
	n.indexed(t, foreign)
	before := n.dump(t, foreign)
	top, err := n.server.Store().LogTop(t.Context(), foreign.id)
	if err != nil {
		t.Fatal(err)
	}
	var cells, viaConnect, proven atomic.Int64
	// Wait for all parallel subtests.
	t.Run("operations", func(t *testing.T) {
		for _, op := range operations() {
			fields := idFieldsOf(t, op)
			if len(fields) == 0 {
				continue
			}
			t.Run(method(op), func(t *testing.T) {
				t.Parallel()
				x := &crossing{n: n, op: op, fields: fields, foreign: foreign, own: n.newOrg(t, "own")}
				if method(op) == "Search" {
					n.indexed(t, x.own)
				}
				x.run(t)
				x.control(t)
				cells.Add(x.cells)
				viaConnect.Add(x.viaConnect)
				proven.Add(x.proven)
			})
		}
	})
	if after := n.dump(t, foreign); after != before {
		t.Errorf("the other org changed.\nbefore: %s\nafter:  %s", firstDifference(before, after), firstDifference(after, before))
	}
	if now, err := n.server.Store().LogTop(t.Context(), foreign.id); err != nil || now != top {
		t.Errorf("the log of the other org went from %v to %v (%v)", top, now, err)
	}
	t.Logf("%d cells, %d of them over Connect; %d fields proven with own ids; %d requests", cells.Load(), viaConnect.Load(), proven.Load(), n.requests.Load())
}

// A crossing is the test cases of one operation.
type crossing struct {
	n            *node
	op           *call.Operation
	fields       []string
	foreign, own *org

	cells, viaConnect, proven int64
}

func (x *crossing) run(t *testing.T) {
	operators := slices.Contains(x.op.Access.GetCallers(), optionsv1.Caller_CALLER_SUPER_ADMIN)
	over := false
	for _, c := range x.own.callers {
		if c.kind == "super admin" && operators || thinned && c.scope != "full" && c.scope != "" {
			continue
		}
		ways := []func(testing.TB, caller, *call.Operation, map[string]any) answer{x.n.call}
		if !over && allowed(x.op, c) && len(x.op.HTTP) > 0 {
			over = true // one caller is enough: the bindings share the service
			ways = append(ways, x.n.connect)
		}
		for i, do := range ways {
			if method(x.op) == "AcquireLease" {
				do = x.releasing(do)
			}
			count := x.cells
			base := usual(x.op, x.fields, x.own)
			for _, f := range x.fields {
				tried := make(map[string]bool)
				for _, it := range x.foreign.things {
					if tried[it.kind] && (thinned || !allowed(x.op, c)) {
						continue // a caller without access gets the same response for each id
					}
					tried[it.kind] = true
					x.compare(t, c, do, []thing{it}, with(x.op, base, f, it.id), with(x.op, base, f, it.unknown))
				}
			}
			if len(x.fields) > 1 && !isPublic(x.op) {
				x.compareAll(t, c, do, base)
			}
			if i > 0 || len(x.op.HTTP) == 0 {
				x.viaConnect += x.cells - count
			}
		}
	}
}

var idOf = regexp.MustCompile(`"id":"([^"]+)"`)

// releasing releases the leases that calls take, before the bot has as many as it may.
func (x *crossing) releasing(do func(testing.TB, caller, *call.Operation, map[string]any) answer) func(testing.TB, caller, *call.Operation, map[string]any) answer {
	return func(t testing.TB, c caller, op *call.Operation, values map[string]any) answer {
		a := do(t, c, op, values)
		if id := idOf.FindStringSubmatch(a.body); id != nil {
			x.n.send(c, http.MethodDelete, "/api/leases/"+id[1], nil)
		}
		return a
	}
}

// isPublic reports whether the ids of an op are sent with their own credential: with an org and its
// secret, no org is foreign.
func isPublic(op *call.Operation) bool {
	return slices.Contains(op.Access.GetCallers(), optionsv1.Caller_CALLER_NOBODY)
}

// compareAll sets all fields at once to foreign ids that belong together.
func (x *crossing) compareAll(t *testing.T, c caller, do func(testing.TB, caller, *call.Operation, map[string]any) answer, base map[string]any) {
	theirs, none := base, base
	var its []thing
	for _, f := range x.fields {
		if _, needed := base[f]; !needed {
			continue
		}
		kinds, _ := lookup(idFields, x.op, f)
		i := slices.IndexFunc(x.foreign.things, func(it thing) bool { return it.kind == kinds[0] })
		it := x.foreign.things[i]
		its = append(its, it)
		theirs, none = with(x.op, theirs, f, it.id), with(x.op, none, f, it.unknown)
	}
	x.compare(t, c, do, its, theirs, none)
}

func (x *crossing) compare(t *testing.T, c caller, do func(testing.TB, caller, *call.Operation, map[string]any) answer, its []thing, theirs, none map[string]any) {
	t.Helper()
	x.cells++
	got, want := do(t, c, x.op, theirs), do(t, c, x.op, none)
	if a, b := masked(got, its), masked(want, its); a != b {
		t.Errorf("%s by %s with %v of another org:\n%s\nwith an unknown one:\n%s", method(x.op), c.name, theirs, a, b)
	}
	body := got.body
	for _, it := range its {
		body = strings.ReplaceAll(body, it.id, "")
	}
	for _, it := range x.foreign.things {
		if strings.Contains(body, it.id) {
			t.Errorf("%s by %s with %v reveals the %s %s of another org: %v", method(x.op), c.name, theirs, it.kind, it.id, got)
		}
	}
	if strings.Contains(body, foreignMark) {
		t.Errorf("%s by %s with %v reveals texts of another org: %v", method(x.op), c.name, theirs, got)
	}
	if want := refused(x.op, c); want != "" && len(x.op.HTTP) > 0 {
		if have := fmt.Sprintf("%d %s", got.status, got.code()); have != want {
			t.Errorf("%s by %s: %v, want %s", method(x.op), c.name, got, want)
		}
	}
	if got.status >= 500 {
		t.Errorf("%s by %s with %v: %v", method(x.op), c.name, theirs, got)
	}
}

var (
	newID     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	newTime   = regexp.MustCompile(`\b1[0-9]{12}\b|"20\d\d-[0-9T:.-]+Z"`)
	newSecret = regexp.MustCompile(`\b[0-9a-f]{48}\b`)
	length    = regexp.MustCompile(`Content-Length \[\d+\]\n`)
	newFence  = regexp.MustCompile(`"fence":"?\d+"?`)
)

// masked returns a response without what may depend on the id. New values of a success (ids, times,
// secrets) are masked; refusals are compared whole.
func masked(a answer, its []thing) string {
	var b strings.Builder
	fmt.Fprintln(&b, a.status)
	keys := make([]string, 0, len(a.header))
	for k := range a.header {
		if k == "Date" || a.status < 300 && (k == "Etag" || k == "Set-Cookie") {
			continue
		}
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		fmt.Fprintln(&b, k, a.header[k])
	}
	b.WriteString(a.body)
	text := b.String()
	for _, it := range its {
		for _, id := range []string{it.id, it.unknown} {
			text = strings.ReplaceAll(text, id, "<id>")
			text = strings.ReplaceAll(text, url.PathEscape(id), "<id>")
		}
	}
	if a.status < 300 {
		text = newID.ReplaceAllString(text, "<new id>")
		text = newTime.ReplaceAllString(text, "<time>")
		text = newSecret.ReplaceAllString(text, "<secret>")
		if newFence.MatchString(text) { // its digits grow in number
			text = length.ReplaceAllString(newFence.ReplaceAllString(text, `"fence":<fence>`), "")
		}
	}
	return text
}

// control checks that the test would see a difference: for an own id, a caller with access gets
// another response than for an unknown one.
func (x *crossing) control(t *testing.T) {
	c, ok := x.permitted()
	if !ok {
		t.Errorf("nobody may call %s", method(x.op))
		return
	}
	for _, f := range x.fields {
		if uncontrolled.MatchString(method(x.op) + "." + f) {
			continue
		}
		own := x.n.newOrg(t, "fresh")
		c := x.same(own, c)
		code := x.n.must(t, x.n.operator, "POST", "/api/platform/invite-codes", map[string]any{})
		own.add("invite", code["id"].(string))
		own.add("invite", code["code"].(string))
		if method(x.op) == "Search" {
			x.n.indexed(t, own)
		}
		if !x.differs(t, c, own, f) {
			t.Errorf("%s by %s: no own id in %s is answered otherwise than an unknown one", method(x.op), c.name, f)
			continue
		}
		x.proven++
	}
}

// uncontrolled are the fields in which an own id has the same effect as an unknown one: the key of
// a new artifact; page tokens; before of a bot's thread messages, which is a time; positions in the
// log; filters of streams and claims; deliveries, which are known by their leases; and the token of
// Login, for which token ids are not tokens.
var uncontrolled = regexp.MustCompile(`^((Ack|Nack|Extend|Progress|Wait)Delivery\.(id|lease)|RedeliverDead\.ids|ListDeliveries\.(thread_id|cursor)|GetReceipts\.cursor|` +
	`ClaimInbox\.thread_id|StreamInbox\.thread_id|AddArtifact\.artifact_key|ListBots\.cursor|ListThreads\.cursor|ListOrgThreads\.cursor|ListOrgTickets\.cursor|` +
	`ListOrgThreadArtifacts\.cursor|ListDeadLetters\.cursor|ListLeases\.cursor|ListDecisions\.cursor|ListOverdueDeliveries\.cursor|Search\.cursor|ListAuditEntries\.cursor|ListOrgs\.cursor|SearchOrgMessages\.cursor|GetInbox\.cursor|ListInviteCodes\.cursor|ListPeers\.cursor|ListBotChannels\.cursor|ListTokens\.cursor|ListArtifacts\.cursor|ListArtifactVersions\.cursor|GetWorkspace\..*cursor|ListCatchupEvents\.cursor|Subscribe\..*|ListThreadMessages\.before|Login\.token)$`)

// indexed brings the search index of an org up to date, which a running server does by itself.
func (n *node) indexed(t testing.TB, o *org) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	x := search.New(search.Config{
		Store: store.Narrow(n.server.Store(), func(tx store.Tx) search.Tx { return tx }),
		Node:  nodes.New(nodes.Config{Single: true, Log: log}), Log: log,
	})
	for more := true; more; {
		var err error
		if more, err = x.Step(t.Context(), o.id); err != nil {
			t.Fatal(err)
		}
	}
}

func (x *crossing) permitted() (caller, bool) {
	i := slices.IndexFunc(x.own.callers, func(c caller) bool { return c.kind != "super admin" && allowed(x.op, c) })
	if i < 0 {
		return x.n.operator, allowed(x.op, x.n.operator)
	}
	return x.own.callers[i], true
}

func (x *crossing) same(o *org, c caller) caller {
	for _, other := range o.callers {
		if other.name == c.name {
			return other
		}
	}
	return c
}

func (x *crossing) differs(t *testing.T, c caller, own *org, field string) bool {
	kinds, _ := lookup(idFields, x.op, field)
	base := usual(x.op, x.fields, own)
	for _, kind := range kinds {
		for _, it := range own.things {
			if it.kind != kind {
				continue
			}
			none := x.n.call(t, c, x.op, with(x.op, base, field, it.unknown))
			have := x.n.call(t, c, x.op, with(x.op, base, field, it.id))
			if masked(have, []thing{it}) != masked(none, []thing{it}) {
				return true
			}
		}
	}
	return false
}

var seen = regexp.MustCompile(`"(last_seen_at|last_used_at)":\d+`)

// dump returns everything that the members of an org can read of it: each GET about its own things,
// by three callers, and its audit log.
func (n *node) dump(t *testing.T, o *org) string {
	t.Helper()
	var b strings.Builder
	for _, op := range operations() {
		if len(op.HTTP) == 0 || isPublic(op) {
			continue
		}
		if verb, _ := call.Route(op.HTTP[0]); verb != "GET" {
			continue
		}
		fields := idFieldsOf(t, op)
		for _, c := range []caller{o.member, o.other, o.human} {
			if !allowed(op, c) {
				continue
			}
			if method(op) == "ListAuditEntries" {
				continue
			}
			a := n.call(t, c, op, usual(op, fields, o))
			fmt.Fprintf(&b, "%s by %s: %d %s\n", method(op), c.name, a.status, seen.ReplaceAllString(a.body, `"$1":0`))
		}
	}
	// Failed logins by other callers are audited (B2B-AUD-006).
	entries, err := n.server.Store().Audit(t.Context(), store.AuditQuery{OrgID: o.id, Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Action != "auth.login_failed" {
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "audit: %s\n", text)
		}
	}
	return b.String()
}

// firstDifference returns the first line of a that is not in b.
func firstDifference(a, b string) string {
	other := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(other) || other[i] != line {
			return line
		}
	}
	return "(nothing more)"
}
