package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

var selectParticipant = read(onThreadParticipants, "SELECT thread_id, bot_id, label, joined_at, joined_seq FROM thread_participants WHERE thread_id = ? AND bot_id = ?")

func (r reader) Participant(ctx context.Context, thread, bot string) (*store.Participant, error) {
	return scanner[store.Participant](func(rows rowSet, p *store.Participant) error {
		return rows.Scan(&p.ThreadID, &p.BotID, &p.Label, &p.JoinedAt, &p.JoinedSeq)
	}).one(ctx, r, selectParticipant, thread, bot)
}

var participants scanner[store.ParticipantRow] = func(rows rowSet, p *store.ParticipantRow) error {
	return rows.Scan(&p.ThreadID, &p.BotID, &p.Label, &p.JoinedAt, &p.JoinedSeq, &p.Name, &p.Online)
}

const selectParticipants = `SELECT p.thread_id, p.bot_id, p.label, p.joined_at, p.joined_seq, b.name, b.online
	FROM thread_participants p JOIN bots b ON b.id = p.bot_id`

var selectParticipantsOfThread = read(onBots|onThreadParticipants, selectParticipants+" WHERE p.thread_id = ? ORDER BY p.joined_at, p.bot_id LIMIT ? + 0")

func (r reader) Participants(ctx context.Context, thread string, limit int) ([]store.ParticipantRow, error) {
	return participants.list(ctx, r, selectParticipantsOfThread, thread, max(limit, 0))
}

var selectParticipantsOfThreads = read(onBots|onThreadParticipants, `SELECT thread_id, bot_id, label, joined_at, joined_seq, name, online FROM (
	SELECT p.thread_id, p.bot_id, p.label, p.joined_at, p.joined_seq, b.name, b.online,
		ROW_NUMBER() OVER (PARTITION BY p.thread_id ORDER BY p.joined_at, p.bot_id) AS place
	FROM thread_participants p JOIN bots b ON b.id = p.bot_id WHERE `+anyOf("p.thread_id")+`) m
	WHERE place <= ? + 0 ORDER BY thread_id, joined_at, bot_id`)

func (r reader) ParticipantsOf(ctx context.Context, threads []string, limit int) ([]store.ParticipantRow, error) {
	if len(threads) == 0 {
		return nil, nil
	}
	arg, err := jsonList(threads)
	if err != nil {
		return nil, err
	}
	return participants.list(ctx, r, selectParticipantsOfThreads, arg, max(limit, 0))
}

var selectParticipantCount = read(onThreadParticipants, "SELECT count(*) FROM thread_participants WHERE thread_id = ?")

func (r reader) CountParticipants(ctx context.Context, thread string) (int64, error) {
	return value[int64](ctx, r, selectParticipantCount, thread)
}

var memberships scanner[store.Membership] = func(rows rowSet, m *store.Membership) error {
	return rows.Scan(&m.Kind, &m.ScopeID, &m.BotID, &m.JoinedSeq, &m.LeftSeq)
}

var selectMemberships = read(onChannelMembers|onThreadParticipants|onMembershipHistory, `SELECT kind, scope_id, bot_id, joined_seq, left_seq FROM (
			SELECT 'channel' AS kind, channel_id AS scope_id, bot_id, joined_seq, CAST(NULL AS BIGINT) AS left_seq FROM channel_members WHERE bot_id = ?
			UNION ALL SELECT 'thread', thread_id, bot_id, joined_seq, CAST(NULL AS BIGINT) FROM thread_participants WHERE bot_id = ?
			UNION ALL SELECT kind, scope_id, bot_id, joined_seq, left_seq FROM membership_history WHERE bot_id = ?) m
		ORDER BY joined_seq, kind, scope_id`)

func (r reader) Memberships(ctx context.Context, bot string) ([]store.Membership, error) {
	return memberships.list(ctx, r, selectMemberships, bot, bot, bot)
}

var (
	selectMembershipsOfChannel = membershipsOf(onChannelMembers, "SELECT 'channel', channel_id, bot_id, joined_seq, CAST(NULL AS BIGINT) FROM channel_members WHERE channel_id = ?")
	selectMembershipsOfThread  = membershipsOf(onThreadParticipants, "SELECT 'thread', thread_id, bot_id, joined_seq, CAST(NULL AS BIGINT) FROM thread_participants WHERE thread_id = ?")
)

// membershipsOf declares a query of the present and former members of a scope.
func membershipsOf(present tables, q string) *statement {
	return read(present|onMembershipHistory, q+` UNION ALL
		SELECT kind, scope_id, bot_id, joined_seq, left_seq FROM membership_history WHERE scope_id = ? AND kind = ?
		ORDER BY 4, 3`)
}

func (r reader) MembershipsOf(ctx context.Context, kind store.MembershipKind, scope string) ([]store.Membership, error) {
	q := selectMembershipsOfThread
	if kind == store.MemberOfChannel {
		q = selectMembershipsOfChannel
	}
	return memberships.list(ctx, r, q, scope, scope, string(kind))
}

func (t *tx) AddParticipant(ctx context.Context, p *store.Participant) error {
	seq, err := t.nextSeq(ctx)
	if err != nil {
		return err
	}
	p.JoinedSeq = seq
	return putNow(ctx, t, insertThreadParticipants.one, p)
}

var setParticipantLabel = update(onThreadParticipants, "UPDATE thread_participants SET label = ? WHERE thread_id = ? AND bot_id = ?")

func (t *tx) SetParticipantLabel(ctx context.Context, thread, bot string, label *string) error {
	return t.must(ctx, setParticipantLabel, label, thread, bot)
}

var removeParticipant = remove(onThreadParticipants, "DELETE FROM thread_participants WHERE thread_id = ? AND bot_id = ? RETURNING joined_seq")

var rememberParticipant = insert(onMembershipHistory, "INSERT INTO membership_history (bot_id, kind, scope_id, joined_seq, left_seq) VALUES (?, ?, ?, ?, ?)")

func (t *tx) RemoveParticipant(ctx context.Context, thread, bot string) error {
	next, err := t.nextSeq(ctx)
	if err != nil {
		return err
	}
	joined, err := value[int64](ctx, t.reader, removeParticipant, thread, bot)
	if err != nil {
		return err
	}
	if joined == 0 {
		return store.ErrNotFound
	}
	if joined >= next {
		return nil // nothing happened in between
	}
	return t.c.exec(ctx, rememberParticipant,
		bot, string(store.MemberOfThread), thread, joined, next-1)
}
