//go:build race

package server_test

// The race detector makes the embedded database and the checks of bodies ten times
// slower: the matrix is thinned to one id of each kind and callers with every scope,
// and hostile input goes to one call in four.
const thinned = true
