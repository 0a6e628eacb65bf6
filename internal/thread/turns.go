package thread

// ReleasedBy names what sets the turns of a thread to 0, for clients that are refused (B2B-LOOP-006).
const ReleasedBy = "person,status,artifact,decision"

// TurnLimit returns how many turns may be taken in a thread without progress (B2B-LOOP-004,
// B2B-LOOP-005): its own limit, of which 0 means none, or else that of the org. limited is false if
// there is no limit.
func TurnLimit(own, org *int64) (limit int64, limited bool) {
	if own == nil {
		own = org
	}
	if own == nil || *own <= 0 {
		return 0, false
	}
	return *own, true
}
