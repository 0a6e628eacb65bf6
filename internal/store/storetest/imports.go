package storetest

import (
	"fmt"

	"github.com/b2b-protocol/b2b/internal/store"
)

var importTests = []test{
	{"brings an organisation in one change", importWhole},
	{"leaves nothing of a change that fails", importFails},
	{"keeps a second channel of a pair", importSecondChannel},
	{"writes many rows as it writes few", importMany},
	{"remembers imports until the organisation goes", importNotes},
	{"adds invite codes and raises their use", importInvites},
}

// imported imports an org of two bots.
func (s *suite) imported(org string, more func(store.Tx) error) error {
	return s.Update(s.ctx, org, func(tx store.Tx) error {
		if err := tx.ImportOrg(s.ctx, &store.Org{ID: org, Name: "", SecretHash: "h", Status: store.OrgSuspended, CreatedAt: 7}); err != nil {
			return err
		}
		a, b := s.newBot(org, "a"), s.newBot(org, "A")
		a.ID, a.TokenHash, b.ID, b.TokenHash = org+"-a", org+"-ta", org+"-b", org+"-tb"
		if err := tx.ImportRows(s.ctx, &store.ImportRows{Bots: []store.Bot{*a, *b}}); err != nil {
			return err
		}
		return more(tx)
	})
}

func importWhole(s *suite) {
	settings := *store.DefaultSettings("o")
	settings.MessagesPerMinutePerBot = 60
	channel := store.Channel{ID: "c", OrgID: "o", Type: store.ChannelDirect, Name: ptr("named"), CreatedAt: 3}
	dm := store.ChannelMessage{ID: "m", ChannelID: "c", SenderID: "gone", Content: awkward, ContentType: "7.0", CreatedAt: 4}
	thread := *s.newThread("o", "   ", 5)
	thread.Context, thread.PermissionPolicy, thread.InitiatorID = ptr(""), ptr("[]"), ptr("o-a")
	first := store.ThreadMessage{ID: "t1", ThreadID: thread.ID, SenderID: ptr("o-b"), Content: "x", MentionAll: true, CreatedAt: 6}
	reply := store.ThreadMessage{ID: "t2", ThreadID: thread.ID, Content: "y", ReplyToID: ptr("t1"), CreatedAt: 6}
	artifact := store.Artifact{ID: "f", ThreadID: thread.ID, Key: "k", Type: "text", Version: 3, CreatedAt: 8, UpdatedAt: 8}
	file := store.File{ID: "file", OrgID: "o", Name: "naÃ¯ve æ.txt", MIMEType: "text/html", Size: 3, CreatedAt: 8}
	audit := store.AuditEntry{ID: "u", OrgID: "o", Action: "x", TargetType: "y", TargetID: "z", CreatedAt: 9}
	err := s.imported("o", func(tx store.Tx) error {
		if err := tx.ImportRows(s.ctx, &store.ImportRows{
			Settings:        []store.OrgSettings{settings},
			Tombstones:      []store.Tombstone{{ID: "s", OrgID: "o", Name: "ghost", DeletedAt: 1, DeletedBy: "session"}},
			Tokens:          []store.Token{{ID: "k", BotID: "o-a", TokenHash: "scoped", Scopes: `["full","full"]`, CreatedAt: 2}},
			Tickets:         []store.OrgTicket{{ID: "i", OrgID: "o", IDHash: ptr("ih"), Reusable: true, CreatedBy: ptr("login"), CreatedAt: 2}},
			WebhookStatuses: []store.WebhookStatus{{BotID: "o-a", ConsecutiveFailures: 12, Degraded: true}},
			Channels:        []store.ImportChannel{{Channel: channel, BotA: "o-b", BotB: "o-a"}},
			Members:         []store.ImportMember{{ChannelID: "c", BotID: "o-a", JoinedAt: 3, JoinedSeq: 1}, {ChannelID: "c", BotID: "o-b", JoinedAt: 2, JoinedSeq: 1}},
			ChannelMessages: []store.ChannelMessage{dm},
			Threads:         []store.Thread{thread},
			Participants:    []store.Participant{{ThreadID: thread.ID, BotID: "o-a", Label: ptr(""), JoinedAt: 5, JoinedSeq: 1}},
			JoinRequests:    []store.JoinRequest{{ID: "j", ThreadID: thread.ID, BotID: "o-b", Status: store.JoinPending, RequestedAt: 6}},
			ThreadMessages:  []store.ThreadMessage{first, reply},
			Artifacts:       []store.Artifact{artifact},
			Files:           []store.File{file},
			Audit:           []store.AuditEntry{audit},
		}); err != nil {
			return err
		}
		seq, err := tx.Append(s.ctx, store.Event{At: 5, Type: "e", Audience: store.AudienceBot, BotID: ptr("o-a"), Payload: []byte("p")})
		if err == nil && seq != 1 {
			err = fmt.Errorf("the first seq is %d", seq)
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	org := must(s.Org(s.ctx, "o"))(s)
	equal(s, "status", org.Status, store.OrgSuspended)
	equal(s, "name", org.Name, "")
	top := must(s.LogTop(s.ctx, "o"))(s)
	equal(s, "top of the log", top.Seq, 1)
	if top.Epoch == "" {
		s.Error("the log has no epoch")
	}
	equal(s, "next seq", s.append("o", "later"), 2)
	same(s, "settings", must(s.OrgSettings(s.ctx, "o"))(s), settings)
	same(s, "bot by token", must(s.BotByTokenHash(s.ctx, "o-ta"))(s).Name, "a")
	same(s, "scoped token", must(s.TokenByHash(s.ctx, "scoped"))(s).Scopes, `["full","full"]`)
	same(s, "ticket by id", must(s.Ticket(s.ctx, "ih"))(s).CreatedBy, "login")
	same(s, "tombstone", must(s.Tombstone(s.ctx, "o", "ghost"))(s).DeletedBy, "session")
	same(s, "webhook", must(s.WebhookStatus(s.ctx, "o-a"))(s).Degraded, true)
	same(s, "channel of the pair", must(s.DirectChannelOf(s.ctx, "o", "o-a", "o-b"))(s), channel)
	same(s, "members", keys(must(s.ChannelMembers(s.ctx, "c"))(s), func(m store.ChannelMember) string { return m.BotID }), []string{"o-b", "o-a"})
	same(s, "messages", must(s.ChannelMessages(s.ctx, "c", store.MessageRange{Limit: 9}))(s)[0].ChannelMessage, dm)
	same(s, "thread", must(s.Thread(s.ctx, "o", thread.ID))(s), thread)
	same(s, "participant", must(s.Participant(s.ctx, thread.ID, "o-a"))(s).Label, "")
	same(s, "request", must(s.PendingJoinRequest(s.ctx, thread.ID, "o-b"))(s).ID, "j")
	same(s, "reply", must(s.ThreadMessage(s.ctx, thread.ID, "t2"))(s).ReplyTo.ID, "t1")
	same(s, "artifact", must(s.LatestArtifact(s.ctx, thread.ID, "k"))(s), artifact)
	same(s, "file", must(s.File(s.ctx, "o", "file"))(s), file)
	same(s, "audit", must(s.Audit(s.ctx, store.AuditQuery{OrgID: "o", Limit: 9}))(s), []store.AuditEntry{audit})
	same(s, "intervals", must(s.Memberships(s.ctx, "o-a"))(s), []store.Membership{
		{Kind: store.MemberOfChannel, ScopeID: "c", BotID: "o-a", JoinedSeq: 1},
		{Kind: store.MemberOfThread, ScopeID: thread.ID, BotID: "o-a", JoinedSeq: 1},
	})
}

func importFails(s *suite) {
	err := s.imported("o", func(tx store.Tx) error {
		return tx.ImportRows(s.ctx, &store.ImportRows{Members: []store.ImportMember{{ChannelID: "none", BotID: "o-a"}}})
	})
	if err == nil {
		s.Fatal("a member of no channel was written")
	}
	missing(s.Org(s.ctx, "o"))(s)
	missing(s.Bot(s.ctx, "o", "o-a"))(s)
	missing(s.LogTop(s.ctx, "o"))(s)
	if err := s.imported("o", func(store.Tx) error { return nil }); err != nil {
		s.Fatal(err)
	}
	must(s.Bot(s.ctx, "o", "o-a"))(s)
}

func importSecondChannel(s *suite) {
	channel := func(id string) store.Channel { return store.Channel{ID: id, OrgID: "o", Type: store.ChannelDirect} }
	if err := s.imported("o", func(tx store.Tx) error {
		return tx.ImportRows(s.ctx, &store.ImportRows{
			Channels: []store.ImportChannel{{Channel: channel("c1"), BotA: "o-a", BotB: "o-b"}, {Channel: channel("c2")}, {Channel: channel("c3")}},
			Members:  []store.ImportMember{{ChannelID: "c2", BotID: "o-a", JoinedSeq: 1}},
		})
	}); err != nil {
		s.Fatal(err)
	}
	equal(s, "channel of the pair", must(s.DirectChannelOf(s.ctx, "o", "o-b", "o-a"))(s).ID, "c1")
	equal(s, "second", must(s.Channel(s.ctx, "c2"))(s).OrgID, "o")
	equal(s, "member of the second", must(s.IsChannelMember(s.ctx, "c2", "o-a"))(s), true)
	if err := s.imported("p", func(tx store.Tx) error {
		return tx.ImportRows(s.ctx, &store.ImportRows{Channels: []store.ImportChannel{
			{Channel: channel("d1"), BotA: "o-a", BotB: "o-b"}, {Channel: channel("d2"), BotA: "o-b", BotB: "o-a"},
		}})
	}); err == nil {
		s.Error("two channels are that of one pair")
	}
}

func importMany(s *suite) {
	for _, n := range []int{1, 49, 50, 51, 100, 137} {
		org := fmt.Sprint("o", n)
		rows := &store.ImportRows{Channels: []store.ImportChannel{{Channel: store.Channel{ID: org, OrgID: org, Type: store.ChannelDirect}}}}
		want := make([]string, n)
		for i := range n {
			want[i] = fmt.Sprintf("%s-%03d", org, i)
			rows.ChannelMessages = append(rows.ChannelMessages, store.ChannelMessage{ID: want[i], ChannelID: org, Content: awkward, CreatedAt: int64(i)})
		}
		if err := s.imported(org, func(tx store.Tx) error { return tx.ImportRows(s.ctx, rows) }); err != nil {
			s.Fatal(err)
		}
		got := must(s.ChannelMessages(s.ctx, org, store.MessageRange{Limit: 1000}))(s)
		same(s, org, keys(got, func(m store.ChannelMessageRow) string { return m.ID }), want)
		equal(s, "content", got[n-1].Content, awkward)
	}
}

func importNotes(s *suite) {
	missing(s.Import(s.ctx, ""))(s)
	missing(s.Import(s.ctx, "o"))(s)
	note := store.Import{Scope: "o", Source: "s1", ImportedAt: 5, LastSeq: 6, LastAudit: "a", Detail: "{}"}
	put := func(tx store.Tx) error { return tx.PutImport(s.ctx, &note) }
	if err := s.imported("o", put); err != nil {
		s.Fatal(err)
	}
	same(s, "note", must(s.Import(s.ctx, "o"))(s), note)
	note.Source, note.LastSeq = "s2", 9
	s.update("o", put)
	same(s, "note replaced", must(s.Import(s.ctx, "o"))(s), note)
	s.update("", func(tx store.Tx) error { return tx.PutImport(s.ctx, &store.Import{Source: "p"}) })
	s.update("o", func(tx store.Tx) error { return tx.DeleteOrg(s.ctx, "o") })
	missing(s.Import(s.ctx, "o"))(s)
	equal(s, "note of the platform", must(s.Import(s.ctx, ""))(s).Source, "p")

	first := must(s.LogTop(s.ctx, s.org()))(s)
	if err := s.imported("o", put); err != nil { // gone, so it can come again
		s.Fatal(err)
	}
	s.update("o", func(tx store.Tx) error { // and again in the change that removes it
		if err := tx.DeleteOrg(s.ctx, "o"); err != nil {
			return err
		}
		return tx.ImportOrg(s.ctx, &store.Org{ID: "o", Name: "new", SecretHash: "h", Status: store.OrgActive})
	})
	equal(s, "name", must(s.Org(s.ctx, "o"))(s).Name, "new")
	missing(s.Bot(s.ctx, "o", "o-a"))(s)
	if top := must(s.LogTop(s.ctx, "o"))(s); top.Epoch == first.Epoch || top.Seq != 0 {
		s.Errorf("the new log: %v", top)
	}
	equal(s, "seq", s.append("o", "x"), 1)
}

func importInvites(s *suite) {
	code := store.InviteCode{ID: "i", CodeHash: "h", MaxUses: 5, UseCount: 2, CreatedAt: 1}
	put := func(c store.InviteCode) {
		s.update("", func(tx store.Tx) error { return tx.ImportInviteCode(s.ctx, &c) })
	}
	uses := func() int64 { return must(s.InviteCodes(s.ctx, nil, 9))(s)[0].UseCount }
	put(code)
	equal(s, "uses", uses(), 2)
	code.UseCount = 1
	put(code)
	equal(s, "uses are not taken back", uses(), 2)
	code.UseCount = 4
	put(code)
	equal(s, "uses rise", uses(), 4)
	s.refused("", store.ConflictInviteCode, func(tx store.Tx) error {
		return tx.ImportInviteCode(s.ctx, &store.InviteCode{ID: "other", CodeHash: "h"})
	})
}
