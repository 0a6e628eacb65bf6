package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// router finds the route of a method and a path. Literal segments are compared without regard to
// the case of ASCII letters and take precedence over variables. One trailing slash is ignored.
type router struct {
	root node
}

type node struct {
	literal  map[string]*node
	variable *node
	routes   map[string]*route // by method
}

const (
	maxSegments  = 16 // longer paths have no route
	maxVariables = 4
)

// add adds a route under its pattern, such as "/api/threads/{thread_id}/join", and sets the
// variables of the route. It returns an error if a segment is neither a text nor a single variable,
// or if the pattern and method are bound already.
func (r *router) add(method, pattern string, rt *route) error {
	bad := func(why string) error {
		return fmt.Errorf("%s %s of %s: %s", method, pattern, rt.op.Procedure, why)
	}
	path, ok := strings.CutPrefix(pattern, "/")
	if !ok || path == "" || strings.HasSuffix(path, "/") {
		return bad("a pattern must begin with a slash and must not end with one")
	}
	segments := strings.Split(path, "/")
	if len(segments) > maxSegments {
		return bad(fmt.Sprintf("more than %d segments", maxSegments))
	}
	n := &r.root
	var vars []string
	for _, segment := range segments {
		name, isVar := strings.CutPrefix(segment, "{")
		if isVar {
			name, ok = strings.CutSuffix(name, "}")
		}
		if !ok || name == "" || strings.ContainsAny(name, "{}=*:%") {
			return bad(fmt.Sprintf("cannot match the segment %q", segment))
		}
		if !isVar {
			key := lower(segment)
			if n.literal == nil {
				n.literal = make(map[string]*node)
			}
			if n.literal[key] == nil {
				n.literal[key] = &node{}
			}
			n = n.literal[key]
			continue
		}
		if slices.Contains(vars, name) {
			return bad("names {" + name + "} twice")
		}
		vars = append(vars, name)
		if n.variable == nil {
			n.variable = &node{}
		}
		n = n.variable
	}
	if len(vars) > maxVariables {
		return bad(fmt.Sprintf("more than %d variables", maxVariables))
	}
	if n.routes == nil {
		n.routes = make(map[string]*route)
	}
	if other := n.routes[method]; other != nil {
		return bad("is bound to " + other.op.Procedure + " already")
	}
	rt.vars = vars
	n.routes[method] = rt
	return nil
}

// match is the result of a lookup: the route and the decoded values of its variables, in the order
// of the pattern.
type match struct {
	route  *route
	values [maxVariables]string
}

// find looks up an escaped path. A nil route means that there is none; the error means that an
// escape is invalid.
func (r *router) find(method, escaped string) (m match, err error) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path, ok := strings.CutPrefix(escaped, "/")
	if !ok {
		return match{}, nil
	}
	path = strings.TrimSuffix(path, "/")
	var segments [maxSegments]string
	count := 0
	for segment := range strings.SplitSeq(path, "/") {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return match{}, err
		}
		if count < maxSegments {
			segments[count] = plain
		}
		count++
	}
	if count <= maxSegments {
		m.route = r.root.find(method, segments[:count], &m.values, 0)
	}
	return m, nil
}

// find looks below n; filled is the number of variables on the path to n.
func (n *node) find(method string, segments []string, values *[maxVariables]string, filled int) *route {
	if len(segments) == 0 {
		return n.routes[method]
	}
	segment, below := segments[0], segments[1:]
	if segment == "" {
		return nil
	}
	if child := n.child(segment); child != nil {
		if rt := child.find(method, below, values, filled); rt != nil {
			return rt
		}
	}
	if n.variable == nil || filled == maxVariables {
		return nil
	}
	values[filled] = segment
	return n.variable.find(method, below, values, filled+1)
}

func (n *node) child(segment string) *node {
	if child := n.literal[segment]; child != nil {
		return child
	}
	if folded := lower(segment); folded != segment {
		return n.literal[folded]
	}
	return nil
}

// lower lowers ASCII letters only: strings.ToLower turns the Kelvin sign into a k.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
