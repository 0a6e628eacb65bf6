package store

import "context"

// Live is the condition that a lease is live at a time: it ends after Now and not after Latest
// (Unix milliseconds). A lease that ends later was taken before a clock was set back
// (B2B-LIFE-020).
type Live struct{ Now, Latest int64 }

// NodeWriter changes the leases of the nodes that share the database, inside Update(ctx, "", …).
// What a node holds (presence, webhooks, retention jobs) counts while its lease is live.
type NodeWriter interface {
	// RenewNode adds a node, or extends its lease, to a time.
	RenewNode(ctx context.Context, node string, until int64) error
	// EndNodes removes the nodes with a lease that ended at or before a time, and what nodes
	// without a lease hold.
	EndNodes(ctx context.Context, before int64) error
	// EndNode removes a node and what it holds. One that does not exist is not an error.
	EndNode(ctx context.Context, node string) error
}
