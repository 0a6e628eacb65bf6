package sqlstore

import "context"

var renewNode = insert(onNodes, `INSERT INTO nodes (node_id, expires_at) VALUES (?, ?)
		ON CONFLICT (node_id) DO UPDATE SET expires_at = excluded.expires_at`)

func (t *tx) RenewNode(ctx context.Context, node string, until int64) error {
	return t.c.exec(ctx, renewNode, node, until)
}

var endNodes = remove(onNodes, "DELETE FROM nodes WHERE expires_at <= ?")

func (t *tx) EndNodes(ctx context.Context, before int64) error {
	ended, err := t.c.execNow(ctx, endNodes, before)
	if err != nil || ended == 0 {
		return err
	}
	return t.releaseOfEnded(ctx)
}

var endNode = remove(onNodes, "DELETE FROM nodes WHERE node_id = ?")

func (t *tx) EndNode(ctx context.Context, node string) error {
	if err := t.c.exec(ctx, endNode, node); err != nil {
		return err
	}
	return t.releaseOfEnded(ctx)
}

// releaseOfNodes remove what nodes without a lease hold.
var releaseOfNodes = []*statement{releaseOf(onPresence), releaseOf(onStreaming), releaseOf(onWebhookLeases), releaseOf(onPushLeases), releaseOf(onLeaseWaits)}

func releaseOf(held tables) *statement {
	return remove(held, "DELETE FROM "+held.name()+" WHERE NOT EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = "+held.name()+".node_id)").reading(onNodes)
}

// releaseOfEnded removes what nodes without a lease hold. A node that paused may add a row after
// its lease was removed: it has no effect until the node renews its lease, and is removed with the
// next node that ends. Jobs are left: TakeJob takes those of a node without a lease.
func (t *tx) releaseOfEnded(ctx context.Context) error {
	for _, q := range releaseOfNodes {
		if err := t.c.exec(ctx, q); err != nil {
			return err
		}
	}
	return nil
}
