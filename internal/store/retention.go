package store

import "context"

// RetentionReader finds rows past their retention. Searches may be slow, so they run outside of
// the changes that remove the rows.
type RetentionReader interface {
	// EndedOrgs lists the orgs between EndOrg and DeleteOrg.
	EndedOrgs(ctx context.Context, limit int) ([]string, error)
	// IdleThreads lists the threads of the org that are neither resolved nor
	// closed and had no activity since before, oldest activity first.
	IdleThreads(ctx context.Context, org string, before int64, limit int) ([]Thread, error)
	// OldChannelMessages lists ids of direct messages created before a time.
	OldChannelMessages(ctx context.Context, org string, before int64, limit int) ([]string, error)
	// OldThreadMessages lists ids of messages created before a time in threads that
	// are resolved or closed.
	OldThreadMessages(ctx context.Context, org string, before int64, limit int) ([]string, error)
	// OldArtifacts does the same for artifact versions.
	OldArtifacts(ctx context.Context, org string, before int64, limit int) ([]string, error)
	// OldAudit reports whether the org has an audit entry from before a time.
	OldAudit(ctx context.Context, org string, before int64) (bool, error)
	// OldRates lists bots, of any org and by id after afterBot, with rate
	// slots that were not used since before.
	OldRates(ctx context.Context, before int64, afterBot string, limit int) ([]string, error)
}

// RetentionWriter removes what has outlived its time. Each call of those about an
// org belongs into its Update, the others into Update(ctx, "", …).
type RetentionWriter interface {
	// EndOrg makes an org unknown to Org and Orgs and ends its sessions and
	// tickets; EmptyOrg and DeleteOrg remove the rest. It fails with ErrNotFound when
	// there is no such org, or it has ended already.
	EndOrg(ctx context.Context, id string) error
	// EmptyOrg removes about limit rows of an org that has ended, and returns
	// their number; fewer than limit means that DeleteOrg has little left to remove.
	EmptyOrg(ctx context.Context, id string, limit int) (int64, error)

	// DeleteChannelMessages removes direct messages by id and returns how many.
	DeleteChannelMessages(ctx context.Context, ids []string) (int64, error)
	// DeleteThreadMessages removes thread messages by id, if their thread is still terminal.
	DeleteThreadMessages(ctx context.Context, ids []string) (int64, error)
	// DeleteArtifacts removes artifact versions by id, if their thread is still terminal.
	DeleteArtifacts(ctx context.Context, ids []string) (int64, error)
	// PruneAudit removes at most limit entries of the org that were created
	// before a time, oldest first, and returns how many.
	PruneAudit(ctx context.Context, org string, before int64, limit int) (int64, error)

	// PurgeRates removes the rate slots of the bots that were not used since before.
	PurgeRates(ctx context.Context, bots []string, before int64) (int64, error)
	// PurgeTickets removes at most limit org tickets that expired before a time.
	PurgeTickets(ctx context.Context, before int64, limit int) (int64, error)
	// PurgeInvites removes at most limit invite codes that expired before a time.
	PurgeInvites(ctx context.Context, before int64, limit int) (int64, error)

	// TakeJob makes a node hold a job. It returns false if another node with a live lease holds it,
	// the lease of this node is not live, or the job was finished after doneBefore.
	TakeJob(ctx context.Context, job, node string, live Live, doneBefore int64) (bool, error)
	// FinishJob releases a job that the node holds, and records now as the time of the last run.
	FinishJob(ctx context.Context, job, node string, now int64) error
	// ReleaseJob releases a job that the node holds and did not finish.
	ReleaseJob(ctx context.Context, job, node string) error
}
