package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// python prints the client in Python.
func python(a *api) map[string]string {
	return map[string]string{
		"rest/__init__.py":   "# " + header + "\n",
		"rest/types.py":      pyTypes(a),
		"rest/operations.py": pyOperations(a),
		"rest/errors.py":     pyErrors(a),
		"connect.py":         pyConnect(a),
	}
}

// pyKeywords are the names of members that Python reserves. Only those of the schema are listed.
var pyKeywords = []string{"from"}

func pyTypes(a *api) string {
	var w writer
	var names []string
	w.line("# " + header)
	w.line(`"""The types of wire JSON. Times are Unix milliseconds."""`)
	w.line("")
	w.line("from typing import Any, Literal, NotRequired, TypeAlias, TypedDict")
	for _, d := range a.types {
		if d.request && len(d.members) == 0 {
			continue
		}
		names = append(names, d.name)
		w.line("")
		switch {
		case d.values != nil:
			var texts []string
			for _, v := range d.values {
				texts = append(texts, fmt.Sprintf("%q", v.text))
			}
			w.linef("%s: TypeAlias = Literal[%s]", d.name, strings.Join(texts, ", "))
			w.line(pyDoc(typeDoc(d, pyName), ""))
		case d.choices != nil:
			var choices []string
			for _, c := range d.choices {
				choices = append(choices, pyShape(c, false, ""))
			}
			w.linef("%s: TypeAlias = %s", d.name, strings.Join(choices, " | "))
			w.line(pyDoc(d.doc, ""))
		default:
			w.line("")
			pyTypedDict(&w, d)
		}
	}
	w.line("")
	pyAll(&w, names)
	return w.String()
}

func pyTypedDict(w *writer, d *definition) {
	base := "TypedDict"
	if d.base != "" {
		base = d.base
	}
	var reserved []string
	for _, m := range d.members {
		if slices.Contains(pyKeywords, m.name) {
			reserved = append(reserved, fmt.Sprintf("%q: %s", m.name, pyMember(m, d.request)))
		}
	}
	if len(reserved) > 0 {
		base = "_" + d.name
		w.linef("%s = TypedDict(%q, {%s})", base, base, strings.Join(reserved, ", "))
		w.line("")
		w.line("")
	}
	w.linef("class %s(%s):", d.name, base)
	doc := typeDoc(d, pyName)
	if d.open {
		doc += " Keys that the schema does not name are kept as they were sent."
	}
	w.line(pyDoc(doc, "    "))
	for _, m := range d.members {
		if slices.Contains(pyKeywords, m.name) {
			continue
		}
		w.line("")
		w.linef("    %s: %s", m.name, pyMember(m, d.request))
		if m.doc != "" {
			w.line(pyDoc(m.doc, "    "))
		}
	}
}

func pyMember(m member, request bool) string {
	out := pyShape(m.shape, request, "")
	if m.optional {
		out = "NotRequired[" + out + "]"
	}
	return out
}

// pyShape returns a type; prefix is the module of named ones with a dot.
func pyShape(s shape, request bool, prefix string) string {
	out := ""
	switch s.kind {
	case text:
		out = "str"
	case integer:
		out = "int"
	case number:
		out = "float"
	case boolean:
		out = "bool"
	case anything: // None, too
		if request {
			return "object"
		}
		return "Any"
	case container:
		out = "dict[str, Any] | list[Any]"
	case texts:
		out = "dict[str, str]"
	case literal:
		out = fmt.Sprintf("Literal[%q]", s.name)
	case named:
		out = prefix + s.name
	case list:
		out = "list[" + pyShape(*s.of, request, prefix) + "]"
	}
	if s.null {
		out += " | None"
	}
	return out
}

// pyOperations prints the client twice: for threads, and for asyncio.
func pyOperations(a *api) string {
	var w writer
	w.line("# " + header)
	w.line(`"""Every operation of the API, as methods of Rest and AsyncRest."""`)
	w.line("")
	w.line("from collections.abc import AsyncIterator, Callable, Iterator, Mapping")
	w.line("from contextlib import AbstractAsyncContextManager, AbstractContextManager")
	w.line("from typing import Any, BinaryIO, Unpack, cast")
	w.line("")
	w.line("import httpx")
	w.line("")
	w.line("from ..._call import AsyncCaller, Caller, body, form, path, query")
	w.line("from . import types")
	for _, async := range []bool{false, true} {
		name, base, about := "Rest", "Caller", "Calls the operations of a server over a transport."
		if async {
			name, base, about = "AsyncRest", "AsyncCaller", "Calls the operations of a server over an asynchronous transport."
		}
		w.line("")
		w.line("")
		w.linef("class %s(%s):", name, base)
		w.line(pyDoc(about+"\n\nEvery method has these parameters: timeout is the number of seconds to wait for the server, instead of "+
			"that of the transport; 0 means no limit. headers are further headers, e.g. If-None-Match; a response with status 304 is a "+
			"B2BError. on_response is called with the successful response, e.g. for its header Link.", "    "))
		for _, o := range a.operations {
			w.line("")
			pyOperation(&w, o, async)
		}
		for _, o := range a.operations {
			if o.pages != nil {
				w.line("")
				pyPages(&w, o, async)
			}
		}
	}
	w.line("")
	w.line("")
	pyAll(&w, []string{"AsyncRest", "Rest"})
	return w.String()
}

func pyOperation(w *writer, o operation, async bool) {
	doc := o.doc + "\n"
	parameters := []string{"self"}
	path := fmt.Sprintf("%q", o.path)
	if len(o.vars) > 0 {
		form := o.path
		values := ""
		for _, v := range o.vars {
			parameters = append(parameters, v.name+": "+pyShape(v.shape, true, "types."))
			form = strings.ReplaceAll(form, "{"+v.name+"}", "{}")
			values += ", " + v.name
			doc += fmt.Sprintf("\n:param %s: %s", v.name, v.doc)
		}
		path = fmt.Sprintf("path(%q%s)", form, values)
	}
	fields := "{}"
	if o.once {
		doc += "\n" + onceDoc("transport", "request_id")
	}
	if o.in == inForm {
		parameters = append(parameters, "file: bytes | BinaryIO")
		doc += "\n:param file: The bytes, or a binary file from its current position."
	}
	parameters = append(parameters, "*", "timeout: float | None = None", "headers: Mapping[str, str] | None = None",
		"on_response: Callable[[httpx.Response], object] | None = None")
	if len(o.fields.members) > 0 {
		parameters = append(parameters, "**fields: Unpack[types."+o.fields.name+"]")
		fields = "fields"
	}
	if o.once {
		fields = "self._once(" + fields + ")"
	}
	more := ""
	if all := o.headers(); len(all) > 0 {
		var pairs []string
		for _, h := range all {
			pairs = append(pairs, fmt.Sprintf("%q: %q", h.name, h.header))
		}
		more = ", {" + strings.Join(pairs, ", ") + "}"
	}
	var request string
	switch o.in {
	case inQuery:
		request = fmt.Sprintf("query(%q, %s, %s%s)", o.method, path, fields, more)
	case inBody:
		request = fmt.Sprintf("body(%q, %s, %s%s)", o.method, path, fields, more)
	case inForm:
		request = fmt.Sprintf("form(%q, %s, file, %s)", o.method, path, fields)
	}
	def, await, manager := "def", "", "AbstractContextManager"
	if async {
		def, await, manager = "async def", "await ", "AbstractAsyncContextManager"
	}
	options := "timeout, headers, on_response"
	for _, status := range o.accepts {
		options += fmt.Sprintf(", %d", status)
	}
	var returns, call string
	switch o.result {
	case noResult:
		returns, call = "None", fmt.Sprintf("%sself._none(%s, %s)", await, request, options)
	case textResult:
		returns, call = "str", fmt.Sprintf("return %sself._text(%s, %s)", await, request, options)
	case bytesResult, eventsResult:
		def = "def" // the context manager sends the request
		returns, call = manager+"[httpx.Response]", fmt.Sprintf("return self._stream(%s, %s)", request, options)
	default:
		returns = pyShape(o.shape, false, "types.")
		call = fmt.Sprintf("return cast(%q, %sself._json(%s, %s))", returns, await, request, options)
		if returns == "Any" {
			call = fmt.Sprintf("return %sself._json(%s, %s)", await, request, options)
		}
	}
	w.linef("    %s %s(", def, pyName(o.name))
	for _, p := range parameters {
		w.linef("        %s,", p)
	}
	w.linef("    ) -> %s:", returns)
	w.line(pyDoc(strings.TrimRight(doc, "\n"), "        "))
	w.linef("        %s", call)
}

// pyPages prints the iterator of a list that comes in pages.
func pyPages(w *writer, o operation, async bool) {
	doc := pagesDoc(o, pyName(o.name)) + "\n"
	path := fmt.Sprintf("%q", o.path)
	w.linef("    def iter_%s(", pyName(o.pages.name))
	w.line("        self,")
	if len(o.vars) > 0 {
		form, values := o.path, ""
		for _, v := range o.vars {
			w.linef("        %s: %s,", v.name, pyShape(v.shape, true, "types."))
			form = strings.ReplaceAll(form, "{"+v.name+"}", "{}")
			values += ", " + v.name
			doc += fmt.Sprintf("\n:param %s: %s", v.name, v.doc)
		}
		path = fmt.Sprintf("path(%q%s)", form, values)
	}
	w.line("        *,")
	w.line("        timeout: float | None = None,")
	w.line("        headers: Mapping[str, str] | None = None,")
	w.linef("        **fields: Unpack[types.%s],", o.fields.name)
	iterator, entry := "Iterator", pyShape(o.pages.entry, false, "types.")
	if async {
		iterator = "AsyncIterator"
	}
	w.linef("    ) -> %s[%s]:", iterator, entry)
	w.line(pyDoc(strings.TrimRight(doc, "\n"), "        "))
	newestFirst := ""
	if o.pages.newestFirst {
		newestFirst = ", newest_first=True"
	}
	w.linef("        return self._pages(query(%q, %s, fields), timeout, headers, %q, %q%s)", o.method, path, o.pages.by, o.pages.key, newestFirst)
}

func pyErrors(a *api) string {
	var w writer
	w.line("# " + header)
	w.line(`"""The catalogue of errors: a class for each code."""`)
	w.line("")
	w.line("from ..._error import B2BError")
	names := []string{"B2BError"}
	for _, e := range a.errors {
		w.line("")
		w.line("")
		w.linef("class %s(B2BError):", e.name)
		w.line(pyDoc(errorDoc(e), "    "))
		names = append(names, e.name)
	}
	w.line("")
	w.line("")
	w.line("ERROR_CLASSES: dict[str, type[B2BError]] = {")
	for _, e := range a.errors {
		w.linef("    %q: %s,", e.code, e.name)
	}
	w.line("}")
	w.line(`"""The classes of the errors by their codes."""`)
	w.line("")
	w.line("RETRYABLE_CODES = frozenset(")
	w.line("    {")
	for _, e := range a.errors {
		if e.retryable {
			w.linef("        %q,", e.code)
		}
	}
	w.line("    }")
	w.line(")")
	w.line(`"""The codes of errors after which the same call can succeed later without being changed."""`)
	w.line("")
	slices.Sort(names)
	pyAll(&w, append(names, "ERROR_CLASSES", "RETRYABLE_CODES"))
	return w.String()
}

// pyConnect prints the module that has all messages, enums and clients for Connect.
func pyConnect(a *api) string {
	var w writer
	var all []string
	w.line("# " + header)
	w.line(`"""All messages, enums and clients for Connect."""`)
	w.line("")
	one := func(module string, names []string) {
		if len(names) == 0 {
			return
		}
		slices.Sort(names)
		w.linef("from .b2b.v1.%s import (", module)
		for _, n := range names {
			w.linef("    %s,", n)
		}
		w.line(")")
		all = append(all, names...)
	}
	for _, f := range a.connect {
		var clients []string
		for _, s := range f.services {
			clients = append(clients, s+"Client", s+"ClientSync")
		}
		one(f.base+"_connect", clients)
		one(f.base+"_pb", append(slices.Clone(f.messages), f.enums...))
	}
	w.line("")
	slices.Sort(all)
	pyAll(&w, all)
	return w.String()
}

func pyAll(w *writer, names []string) {
	w.line("__all__ = [")
	for _, n := range names {
		w.linef("    %q,", n)
	}
	w.line("]")
}

// pyName returns a name in snake case: get_thread for GetThread.
func pyName(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// pyDoc returns a documentation string of lines that are not too long.
func pyDoc(doc, indent string) string {
	doc = strings.ReplaceAll(strings.ReplaceAll(doc, `\`, `\\`), `"""`, `\"\"\"`)
	if strings.HasSuffix(doc, `"`) {
		doc += " "
	}
	lines := wrap(doc, 97-len(indent))
	if len(lines) == 1 {
		return indent + `"""` + lines[0] + `"""`
	}
	out := indent + `"""` + lines[0]
	for _, l := range lines[1:] {
		out += strings.TrimRight("\n"+indent+l, " ")
	}
	return out + "\n" + indent + `"""`
}
