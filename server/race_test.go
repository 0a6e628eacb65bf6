//go:build race

package server_test

// The race detector makes the embedded database and the checks of bodies ten times slower. So the
// matrix is reduced to one id of each kind and callers with every scope, and hostile input is sent
// to one call in four.
const thinned = true
