package main

import (
	"fmt"
	"strings"
)

// An api is what a client offers: types of wire JSON, operations and errors.
type api struct {
	types      []*definition // each after the types that it refers to
	operations []operation
	errors     []errorCode
	connect    []connectFile
}

// A kind is a form of a JSON value.
type kind int

const (
	text      kind = iota
	integer        // a number without a fraction
	number         // any number
	boolean        // true or false
	anything       // any JSON value
	container      // a JSON object or array
	texts          // a JSON object of strings
	literal        // the string that is the name of the shape
	named          // the type that is the name of the shape
	list           // an array
)

// A shape is the form of a JSON value.
type shape struct {
	kind kind
	name string
	of   *shape // list: of an element
	null bool   // the value can be null instead
}

// A member is a key of a JSON object.
type member struct {
	name, doc string
	shape     shape
	optional  bool   // the key may be absent
	header    string // requests: sent as this header
}

// A definition is a named type: an object, a union or an enum.
type definition struct {
	name, doc string
	request   bool   // clients send it
	base      string // an object: the object whose members it has, too
	members   []member
	open      bool    // an object: it may have further keys
	choices   []shape // a union
	values    []value // an enum
}

// A value of an enum.
type value struct{ text, doc string }

// typeDoc returns the documentation of a type with that of its values. operation returns the name
// of an operation in the language.
func typeDoc(d *definition, operation func(string) string) string {
	doc := d.doc
	if d.request && doc == "" {
		doc = "The fields of " + operation(strings.TrimSuffix(d.name, "Request")) + "."
	}
	if d.values != nil {
		doc += "\n"
		for _, v := range d.values {
			doc += fmt.Sprintf("\n- `%s`: %s", v.text, v.doc)
		}
	}
	return doc
}

// A place is where an operation sends its fields.
type place int

const (
	inQuery place = iota
	inBody
	inForm // with the bytes of a file
)

// A result is what an operation returns.
type result int

const (
	jsonResult   result = iota // of the shape of the operation
	noResult                   // an empty body
	textResult                 // a text
	bytesResult                // the bytes of a file, as a stream
	eventsResult               // server-sent events, as a stream
)

// An operation is a call over REST.
type operation struct {
	name, doc string // the name is in Pascal case
	method    string // in upper case
	path      string // with variables in braces
	vars      []member
	fields    *definition
	in        place
	result    result
	shape     shape
	accepts   []int32 // statuses of 400 and more that are no errors
	once      bool    // a change that is made once for a request_id
	pages     *pages  // of a list that comes in pages
}

// pages describes how to read all entries of a list.
type pages struct {
	name  string // of the iterator, in Pascal case and in the plural
	by    string // the field of the request that the next page has
	key   string // the key of a page that is an object; "": pages are arrays
	entry shape
	// newestFirst: an array has the oldest entry first, but an object, and so the list, the newest.
	newestFirst bool
}

// An errorCode is an entry of the catalogue of errors.
type errorCode struct {
	code, name, doc string // the name is in Pascal case
	status          int32
	retryable       bool
}

// A connectFile is a file of the schema, of which other generators write messages and services.
type connectFile struct {
	base                      string // without folder and extension
	messages, enums, services []string
}

// needed reports whether a caller must give fields.
func (o operation) needed() bool {
	for _, m := range o.fields.members {
		if !m.optional {
			return true
		}
	}
	return false
}

// headers returns the fields that are sent as headers.
func (o operation) headers() (out []member) {
	for _, m := range o.fields.members {
		if m.header != "" {
			out = append(out, m)
		}
	}
	return out
}
