package intake

// The indexes of Budget.refused.
const (
	byShare  = iota // the share of the org or address is full
	byServer        // the total is full
)

// Stats are the numbers of a budget, for monitoring.
type Stats struct {
	Small, Large               int64 // bytes that requests of each size have taken
	MostSmall, MostLarge       int64 // bytes that they may take
	RefusedShare, RefusedTotal int64 // requests without room in their share, or in the total
}

// Stats returns the numbers of the budget.
func (b *Budget) Stats() Stats {
	return Stats{
		Small: b.small.Load(), Large: b.large.Load(), MostSmall: b.sizes.Small, MostLarge: b.sizes.Whole,
		RefusedShare: b.refused[byShare].Load(), RefusedTotal: b.refused[byServer].Load(),
	}
}

// Stats returns the numbers of the responses. Small ones take no room.
func (a *Answers) Stats() Stats { return a.budget.Stats() }
