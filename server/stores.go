package server

import (
	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/presence"
	"github.com/b2b-protocol/b2b/internal/retention"
	"github.com/b2b-protocol/b2b/internal/search"
	"github.com/b2b-protocol/b2b/internal/service"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/vault"
	"github.com/b2b-protocol/b2b/internal/webhook"
)

// These functions give each package the part of the store that it states.

func authStore(s store.Store) auth.Store {
	return store.NarrowViews(s, func(r store.Reader) auth.Reader { return r }, func(tx store.Tx) auth.Tx { return tx })
}

func throttleStore(s store.Store) auth.ThrottleStore {
	return store.Narrow(s, func(tx store.Tx) auth.ThrottleTx { return tx })
}

func ticketStore(s store.Store) auth.TicketStore {
	return store.Narrow(s, func(tx store.Tx) auth.TicketTx { return tx })
}

func filesStore(s store.Store) files.Database {
	return store.Narrow(s, func(tx store.Tx) files.Tx { return tx })
}

func nodeStore(s store.Store) node.Store {
	return store.Narrow(s, func(tx store.Tx) node.Tx { return tx })
}

func presenceStore(s store.Store) presence.Store {
	return store.Narrow(s, func(tx store.Tx) presence.Tx { return tx })
}

func retentionStore(s store.Store) retention.Store {
	return store.Narrow(s, func(tx store.Tx) retention.Tx { return tx })
}

func serviceStore(s store.Store) service.Store {
	return store.NarrowViews(s, func(r store.Reader) service.Reader { return r }, func(tx store.Tx) service.Tx { return tx })
}

func vaultStore(s store.Store) vault.Store {
	return store.Narrow(s, func(tx store.Tx) vault.Tx { return tx })
}

func webhookStore(s store.Store) webhook.Store {
	return store.Narrow(s, func(tx store.Tx) webhook.Tx { return tx })
}

func searchStore(s store.Store) search.Store {
	return store.Narrow(s, func(tx store.Tx) search.Tx { return tx })
}
