package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Lookup returns the value of a name: of an environment variable, or of a flag with its two dashes.
// An empty variable counts as not set; an empty flag means the default.
type Lookup func(name string) (value string, set bool)

// Env returns a Lookup for a function such as os.Getenv.
func Env(getenv func(string) string) Lookup {
	return func(name string) (string, bool) {
		if strings.HasPrefix(name, "--") {
			return "", false
		}
		v := getenv(name)
		return v, v != ""
	}
}

// setting is a value and the name under which it was found.
type setting struct {
	name, value string
}

// older reports whether the name is one of HXA-Connect, where values keep their meaning.
func (s setting) older() bool {
	return !strings.HasPrefix(s.name, "--") && !strings.HasPrefix(s.name, "B2B_") && !strings.HasPrefix(s.name, "OTEL_")
}

// masked returns the value without secrets. Only URLs of databases and buckets are searched for a
// password without an @: a.com:abc and ::1 are shown unchanged.
func (s setting) masked() string {
	if strings.HasSuffix(s.name, "_URL") || s.name == "--database" {
		return mask(s.value)
	}
	return maskText(s.value)
}

// reader collects problems and notes while settings are read.
type reader struct {
	lookup   Lookup
	problems Problems
	notes    []string
}

// kubernetes matches the value that Kubernetes sets as NAME_PORT for a service named NAME.
var kubernetes = regexp.MustCompile(`^(tcp|udp|sctp)://[^/]+:[0-9]+$`)

// raw returns the first of the names that is set. "" is the default.
func (r *reader) raw(names ...string) setting {
	for _, name := range names {
		v, set := r.lookup(name)
		switch {
		case !set:
		case strings.HasSuffix(name, "_PORT") && kubernetes.MatchString(v):
			r.note("%s=%s is set by Kubernetes for a service, and is not read as the port", name, quote(v))
		default:
			return setting{name, v}
		}
	}
	return setting{}
}

// text returns the first of the names that is set, without blanks and one pair of quotes around the
// value, which some env files have.
func (r *reader) text(names ...string) setting {
	s := r.raw(names...)
	value := strings.TrimSpace(s.value)
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = strings.TrimSpace(value[1 : n-1])
	}
	if value == "" && s.value != "" {
		r.problem(s, "is blank: give it a value or leave it out", "")
		return setting{}
	}
	return setting{s.name, value}
}

func (r *reader) problem(s setting, why, example string) {
	r.problems = append(r.problems, Problem{Name: s.name, Value: s.masked(), Why: why, Example: example})
}

func (r *reader) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// number reads a number. Under the names of HXA-Connect 0 is the default, as there.
func (r *reader) number(fallback, least, most int, names ...string) int {
	s := r.text(names...)
	if s.value == "" {
		return fallback
	}
	n, err := strconv.Atoi(s.value)
	if s.older() && err == nil && n == 0 {
		r.note("%s=0 means the default, %d", s.name, fallback)
		return fallback
	}
	if err != nil || n < least || n > most || strings.ContainsAny(s.value, "+-") {
		r.problem(s, fmt.Sprintf("must be a number from %d to %d", least, most), strconv.Itoa(max(fallback, least)))
		return fallback
	}
	return n
}

// boolean reads true or false.
func (r *reader) boolean(fallback bool, names ...string) bool {
	s := r.text(names...)
	return r.truth(s, fallback)
}

func (r *reader) truth(s setting, fallback bool) bool {
	switch strings.ToLower(s.value) {
	case "":
		return fallback
	case "true", "1", "yes", "on":
		return true
	case "false", "0", "no", "off":
		return false
	}
	r.problem(s, "must be true or false", strconv.FormatBool(!fallback))
	return fallback
}
