package main

import (
	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/importer"
	nodes "github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/search"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/vault"
)

// These functions give each package the part of the store that it states.

func importerStore(s store.Store) importer.Store {
	return store.Narrow(s, func(tx store.Tx) importer.Tx { return tx })
}

func vaultStore(s store.Store) vault.Store {
	return store.Narrow(s, func(tx store.Tx) vault.Tx { return tx })
}

func filesStore(s store.Store) files.Database {
	return store.Narrow(s, func(tx store.Tx) files.Tx { return tx })
}

func searchStore(s store.Store) search.Store {
	return store.Narrow(s, func(tx store.Tx) search.Tx { return tx })
}

func nodeStore(s store.Store) nodes.Store {
	return store.Narrow(s, func(tx store.Tx) nodes.Tx { return tx })
}
