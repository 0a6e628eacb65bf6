//go:build !unix

package edge

// openFiles is how many files and connections the process may have open, as far as the
// system has such a limit.
func openFiles() int { return 1 << 16 }
