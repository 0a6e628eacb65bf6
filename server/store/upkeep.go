package store

import "context"

// UpkeepReader finds what has outlived its time, for changes that remove it in small
// steps: finding may take long, and must not make an organisation wait.
type UpkeepReader interface {
	// EndedOrgs lists organisations that EndOrg was called for and DeleteOrg was not.
	EndedOrgs(ctx context.Context, limit int) ([]string, error)
	// IdleThreads lists the threads of the organisation that are neither resolved nor
	// closed and had no activity since before, oldest activity first.
	IdleThreads(ctx context.Context, org string, before int64, limit int) ([]Thread, error)
	// OldChannelMessages lists ids of direct messages created before a time.
	OldChannelMessages(ctx context.Context, org string, before int64, limit int) ([]string, error)
	// OldThreadMessages lists ids of messages created before a time in threads that
	// are resolved or closed.
	OldThreadMessages(ctx context.Context, org string, before int64, limit int) ([]string, error)
	// OldArtifacts does the same for versions of artifacts.
	OldArtifacts(ctx context.Context, org string, before int64, limit int) ([]string, error)
	// OldAudit tells whether the organisation has an audit entry from before a time.
	OldAudit(ctx context.Context, org string, before int64) (bool, error)
	// OldRates lists bots, of any organisation and by id after afterBot, with rate
	// slots that were not used since before.
	OldRates(ctx context.Context, before int64, afterBot string, limit int) ([]string, error)
}

// UpkeepWriter removes what has outlived its time. Each call of those about an
// organisation belongs into its Update, the others into Update(ctx, "", …).
type UpkeepWriter interface {
	// EndOrg makes an organisation unknown to Org and Orgs and ends its sessions and
	// tickets; EmptyOrg and DeleteOrg remove the rest. It fails with ErrNotFound when
	// there is no such organisation, or it has ended already.
	EndOrg(ctx context.Context, id string) error
	// EmptyOrg removes about limit rows of an organisation that has ended, and tells
	// how many; less than limit means that DeleteOrg has little left to do.
	EmptyOrg(ctx context.Context, id string, limit int) (int64, error)

	// DeleteChannelMessages removes direct messages by id and tells how many.
	DeleteChannelMessages(ctx context.Context, ids []string) (int64, error)
	// DeleteThreadMessages removes those whose thread is still resolved or closed.
	DeleteThreadMessages(ctx context.Context, ids []string) (int64, error)
	// DeleteArtifacts removes those whose thread is still resolved or closed.
	DeleteArtifacts(ctx context.Context, ids []string) (int64, error)
	// PruneAudit removes at most limit entries of the organisation that were created
	// before a time, oldest first, and tells how many.
	PruneAudit(ctx context.Context, org string, before int64, limit int) (int64, error)

	// PurgeRates removes the rate slots of the bots that were not used since before.
	PurgeRates(ctx context.Context, bots []string, before int64) (int64, error)
	// PurgeTickets removes at most limit org tickets that expired before a time.
	PurgeTickets(ctx context.Context, before int64, limit int) (int64, error)
	// PurgeInvites removes at most limit invite codes that expired before a time.
	PurgeInvites(ctx context.Context, before int64, limit int) (int64, error)

	// TakeJob gives the holder a job until a time, and tells whether it got it: not
	// when another holds it whose time is not over at now, and not when the job was
	// finished after doneBefore. Who holds a job already renews it.
	TakeJob(ctx context.Context, job, holder string, now, until, doneBefore int64) (bool, error)
	// FinishJob frees a job of the holder and notes the time.
	FinishJob(ctx context.Context, job, holder string, now int64) error
}
