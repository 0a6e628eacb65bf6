package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/bench/internal/table"
)

// machine returns the facts of this machine. On a system without /proc it lacks some.
func machine() table.Machine {
	m := table.Machine{Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.Processor = valueOf(string(text), "model name")
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		kb, err := strconv.ParseFloat(strings.TrimSuffix(valueOf(string(text), "MemTotal"), " kB"), 64)
		if err == nil {
			m.MemoryGB = float64(int(kb/(1<<20)*10)) / 10
		}
	}
	return m
}

// valueOf returns the first value of a key in lines of the form "key : value".
func valueOf(text, key string) string {
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
