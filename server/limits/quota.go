package limits

// What the artifacts of a thread and of an org may have unless the operator says otherwise
// (B2B-ART-014). Megabytes are MiB.
const (
	ArtifactsPerThread  = 10_000 // versions
	ArtifactMBPerThread = 64
	ArtifactMBPerDay    = 256 // added by an org on a day of UTC
	ArtifactMBPerOrg    = 4096
)
