package config

import (
	"fmt"
	"strings"
)

// Problem is one setting that cannot be used (B2B-ENV-003).
type Problem struct {
	Name    string // the variable or the flag
	Value   string // without its secrets; ignored if Unset
	Unset   bool   // the setting is missing
	Why     string
	Example string // a valid value; empty: Why gives one
}

// Error returns the problem on one line.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Name)
	if !p.Unset {
		fmt.Fprintf(&b, "=%s", quote(p.Value))
	}
	b.WriteString(": " + p.Why)
	if p.Example != "" {
		fmt.Fprintf(&b, " (for example %s=%s)", p.Name, p.Example)
	}
	return b.String()
}

// Problems are all problems of a configuration.
type Problems []Problem

// Error returns all problems, one per line.
func (ps Problems) Error() string {
	if len(ps) == 1 {
		return ps[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d settings cannot be used:", len(ps))
	for _, p := range ps {
		b.WriteString("\n  " + p.Error())
	}
	return b.String()
}

// err returns nil if there are no problems.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

const longest = 200 // characters of a value that is shown

func quote(value string) string {
	if runes := []rune(value); len(runes) > longest {
		value = string(runes[:longest]) + "…"
	}
	return fmt.Sprintf("%q", value)
}
