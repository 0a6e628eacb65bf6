package pgpipe

import (
	"database/sql/driver"
	encbin "encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// The types that the schema and its queries use, by their numbers in pg_type.
const (
	oidBool    = 16
	oidBytea   = 17
	oidName    = 19
	oidInt8    = 20
	oidInt2    = 21
	oidInt4    = 23
	oidText    = 25
	oidUnknown = 705
	oidFloat8  = 701
	oidVarchar = 1043
	oidVoid    = 2278
)

// encode returns an argument as text, or as bytes if bin is set. The server infers the types
// from the statement.
func encode(v driver.Value) (out []byte, bin bool, err error) {
	switch v := v.(type) {
	case nil:
		return nil, false, nil
	case string:
		return []byte(v), false, nil
	case int64:
		return strconv.AppendInt(nil, v, 10), false, nil
	case bool:
		if v {
			return []byte("t"), false, nil
		}
		return []byte("f"), false, nil
	case []byte:
		if v == nil {
			return nil, true, nil
		}
		return v, true, nil
	case float64:
		return strconv.AppendFloat(nil, v, 'g', -1, 64), false, nil
	default:
		return nil, false, fmt.Errorf("pgpipe: argument of type %T", v)
	}
}

// decode returns the value of a binary column.
func decode(oid uint32, b []byte) (driver.Value, error) {
	if b == nil {
		return nil, nil
	}
	switch oid {
	case oidText, oidVarchar, oidName, oidUnknown:
		return string(b), nil
	case oidInt8:
		return int64(encbin.BigEndian.Uint64(b)), nil
	case oidInt4:
		return int64(int32(encbin.BigEndian.Uint32(b))), nil
	case oidInt2:
		return int64(int16(encbin.BigEndian.Uint16(b))), nil
	case oidBool:
		return b[0] != 0, nil
	case oidBytea:
		return append([]byte{}, b...), nil
	case oidFloat8:
		return math.Float64frombits(encbin.BigEndian.Uint64(b)), nil
	case oidVoid:
		return "", nil
	default:
		return nil, fmt.Errorf("pgpipe: column of type %d", oid)
	}
}

// rows holds all rows of one statement.
type rows struct {
	names  []string
	values []driver.Value
	next   int
}

func readRows(rr *pgconn.ResultReader) (*rows, error) {
	fields := rr.FieldDescriptions()
	r := &rows{names: make([]string, len(fields))}
	oids := make([]uint32, len(fields))
	for i := range fields {
		r.names[i], oids[i] = fields[i].Name, fields[i].DataTypeOID
	}
	for rr.NextRow() {
		for i, b := range rr.Values() {
			v, err := decode(oids[i], b)
			if err != nil {
				return nil, err
			}
			r.values = append(r.values, v)
		}
	}
	return r, nil
}

func (r *rows) Columns() []string { return r.names }

func (r *rows) Close() error { return nil }

func (r *rows) Next(dest []driver.Value) error {
	if r.next >= len(r.values) || len(r.names) == 0 {
		return io.EOF
	}
	copy(dest, r.values[r.next:r.next+len(r.names)])
	r.next += len(r.names)
	return nil
}
