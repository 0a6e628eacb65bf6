//go:build !linux

package main

// memoryLimit returns how many bytes of memory the machine has; 0: not known.
func memoryLimit() uint64 { return 0 }

// unmapProgram does nothing.
func unmapProgram() {}
