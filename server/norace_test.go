//go:build !race

package server_test

const thinned = false
