package rest

import (
	"mime"
	"net/url"
	"strings"
)

// disposition parses the Content-Disposition header of a part of a form. It returns the name of the
// field and the name of the file as the user wrote them (B2B-FILE-012). isFile reports whether the
// part is a file; the error means that the header is invalid.
//
// Browsers and fetch write a quote, CR and LF in a name as %22, %0D and %0A and do not escape other
// percent signs. So these three are decoded in a plain parameter, and nothing else.
func disposition(header string) (field, file string, isFile bool, err error) {
	_, params, err := mime.ParseMediaType(latin1ToUTF8(header))
	if err != nil {
		return "", "", false, err
	}
	file, isFile = params["filename"]
	if !hasParameter(header, "filename*") {
		file = formName.Replace(file)
	}
	return formName.Replace(params["name"]), file, isFile, nil
}

var formName = strings.NewReplacer("%22", `"`, "%0D", "\r", "%0A", "\n")

const latin1 = "iso-8859-1'"

// latin1ToUTF8 rewrites extended parameters in ISO-8859-1 (RFC 5987), which package mime drops, to
// UTF-8. It leaves invalid parameters unchanged.
func latin1ToUTF8(header string) string {
	var out strings.Builder
	for param := range parameters(header) {
		out.WriteString(utf8Parameter(param))
	}
	return out.String()
}

func utf8Parameter(param string) string {
	name, value, ok := strings.Cut(param, "=")
	trimmed := strings.TrimSpace(value)
	if !ok || !strings.HasSuffix(strings.TrimSpace(name), "*") || len(trimmed) < len(latin1) ||
		!strings.EqualFold(trimmed[:len(latin1)], latin1) {
		return param
	}
	end := ""
	if strings.HasSuffix(trimmed, ";") {
		trimmed, end = strings.TrimSpace(strings.TrimSuffix(trimmed, ";")), ";"
	}
	_, escaped, ok := strings.Cut(trimmed[len(latin1):], "'")
	if !ok {
		return param
	}
	bytes, err := url.PathUnescape(escaped)
	if err != nil {
		return param
	}
	runes := make([]rune, len(bytes))
	for i := range len(bytes) {
		runes[i] = rune(bytes[i])
	}
	return name + "=UTF-8''" + percentEncode(string(runes)) + end
}

// hasParameter reports whether a header has a parameter of this name.
func hasParameter(header, name string) bool {
	for param := range parameters(header) {
		key, _, ok := strings.Cut(param, "=")
		if ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return true
		}
	}
	return false
}

// parameters yields the pieces of a header, each up to and including a semicolon outside quotes.
// Concatenated they are the header.
func parameters(header string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(header); i++ {
			switch c := header[i]; {
			case c == '\\' && quoted:
				i++
			case c == '"':
				quoted = !quoted
			case c == ';' && !quoted:
				if !yield(header[start : i+1]) {
					return
				}
				start = i + 1
			}
		}
		yield(header[start:])
	}
}
