package sqlstore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// SQLite stores some ids packed: a UUID as its 16 bytes instead of the 36 of its text. Other texts
// are stored as they are, so a column may have both.

const (
	uuidText  = 36
	uuidBytes = 16
)

// packed returns the argument for a column with packed ids.
func (d *dialect) packed(id *string) any {
	if id == nil {
		return nil
	}
	if d.database == forSQLite {
		if b := packUUID(*id); b != nil {
			return b
		}
	}
	return *id
}

// packUUID returns the bytes of a UUID in its canonical text, and nil for another text.
func packUUID(id string) []byte {
	if len(id) != uuidText || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return nil
	}
	b := make([]byte, 0, uuidBytes)
	for at, high := 0, -1; at < len(id); at++ {
		digit := 0
		switch c := id[at]; {
		case '0' <= c && c <= '9':
			digit = int(c - '0')
		case 'a' <= c && c <= 'f':
			digit = int(c-'a') + 10
		case c == '-' && (at == 8 || at == 13 || at == 18 || at == 23):
			continue
		default: // upper case, too: the text would not come back
			return nil
		}
		if high < 0 {
			high = digit
			continue
		}
		b = append(b, byte(high<<4|digit))
		high = -1
	}
	return b
}

// unpackUUID returns the text of a packed UUID.
func unpackUUID(b []byte) string {
	var text [uuidText]byte
	hex.Encode(text[:8], b[:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:], b[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// packedUUID begins a packed UUID in a text, in which it does not occur otherwise: JSON has no
// control characters but white space.
const packedUUID = 1

// packedText returns the argument for a column with packed JSON: the UUIDs in it are packed.
func (d *dialect) packedText(json *string) any {
	if json == nil {
		return nil
	}
	if d.database == forSQLite {
		if b := packText(*json); b != nil {
			return b
		}
	}
	return *json
}

// packText packs the UUIDs that are whole strings of a JSON text. It returns nil if there are none.
func packText(json string) []byte {
	if strings.IndexByte(json, packedUUID) >= 0 {
		return nil
	}
	var b []byte
	for rest := json; ; {
		at := strings.IndexByte(rest, '"') + 1
		if at == 0 || len(rest) <= at+uuidText {
			if b == nil {
				return nil
			}
			return append(b, rest...)
		}
		id := []byte(nil)
		if rest[at+uuidText] == '"' {
			id = packUUID(rest[at : at+uuidText])
		}
		switch {
		case id != nil:
			if b == nil {
				b = append(make([]byte, 0, len(json)), json[:len(json)-len(rest)]...)
			}
			b = append(append(append(b, rest[:at]...), packedUUID), id...)
			rest = rest[at+uuidText:]
		case b != nil:
			b = append(b, rest[:at]...)
			fallthrough
		default:
			rest = rest[at:]
		}
	}
}

// unpackText returns a packed text.
func unpackText(b []byte) (string, error) {
	var text strings.Builder
	for {
		at := bytes.IndexByte(b, packedUUID)
		if at < 0 {
			text.Write(b)
			return text.String(), nil
		}
		if len(b) < at+1+uuidBytes {
			return "", errors.New("store: a packed text ends within an id")
		}
		text.Write(b[:at])
		text.WriteString(unpackUUID(b[at+1:]))
		b = b[at+1+uuidBytes:]
	}
}

// packedText scans a column with packed JSON.
type packedText struct{ text }

// Scan implements sql.Scanner.
func (p packedText) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok {
		return p.text.Scan(v)
	}
	s, err := unpackText(b)
	*p.dest = &s
	return err
}

// packedID scans a column with packed ids.
type packedID struct{ dest **string }

// Scan implements sql.Scanner.
func (p packedID) Scan(v any) error {
	if b, ok := v.([]byte); ok {
		if len(b) != uuidBytes {
			return fmt.Errorf("store: an id is packed in %d bytes", len(b))
		}
		id := unpackUUID(b)
		*p.dest = &id
		return nil
	}
	return text(p).Scan(v)
}

// unpackedID returns the text of a packed id in SQLite.
func unpackedID(column string) string {
	part := func(from, length int) string { return fmt.Sprintf("substr(hex(%s), %d, %d)", column, from, length) }
	return "CASE typeof(" + column + ") WHEN 'blob' THEN lower(" + part(1, 8) + " || '-' || " + part(9, 4) + " || '-' || " +
		part(13, 4) + " || '-' || " + part(17, 4) + " || '-' || " + part(21, 12) + ") ELSE " + column + " END"
}
