package limits

// What the artifacts of a thread and of an org may have unless the operator says otherwise
// (B2B-ART-014). Megabytes are MiB.
const (
	ArtifactsPerThread  = 10_000 // versions
	ArtifactMBPerThread = 64
	ArtifactMBPerDay    = 256 // added by an org on a day of UTC
	ArtifactMBPerOrg    = 4096
)

// What the changes of an org may store on a day of UTC unless the operator says otherwise,
// and of it those that are no short messages (B2B-LIM-012), in MiB. A text message of 1 KiB
// stores some 3.5 KiB: the first is 50 of them in each second of the day, the second twice
// what uploads may have, as a message is kept in its table and in the log.
const (
	StoredMBPerDay = 16 * 1024
	BulkMBPerDay   = 2 * 1024
)

// Leases that an org, and a bot of it, may have at the same time, and calls that may wait for one
// (B2B-LEASE-020). LeaseSeconds is how long a lease lasts unless the call says otherwise.
const (
	LeasesOfOrg     = 4096
	LeasesOfBot     = 256
	LeaseWaitsOfOrg = 256
	LeaseWaitsOfBot = 32
	LeaseSeconds    = 60
)

// Claims of inboxes that may wait on a node at the same time (B2B-DLV-020), and how long a lease
// of a delivery lasts unless the call says otherwise.
const (
	ClaimWaitsOfOrg = 1024
	ClaimWaitsOfBot = 64
	ClaimSeconds    = 60
)

// Open decisions that an org, a bot that asks, and a thread or channel may have at the same time
// (B2B-DEC-040).
const (
	DecisionsOfOrg   = 1024
	DecisionsOfBot   = 64
	DecisionsOfPlace = 32
)

// DeadlinesOfBot is how many messages of a bot may wait to be acknowledged in time (B2B-RCPT-031).
const DeadlinesOfBot = 1000

// ShortMessage is how many bytes content, parts and metadata of a message have together that
// counts as short.
const ShortMessage = 8 << 10
