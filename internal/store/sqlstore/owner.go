package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// listTables lists the tables by which owner recognises the program that
// made a database, and how many of two columns of our schema_migrations each has: other
// programs also have a table of that name.
var listTables = control(`SELECT m.name, CASE m.name WHEN 'schema_migrations' THEN
		(SELECT count(*) FROM pragma_table_info(m.name) c WHERE c.name IN ('name', 'applied_at')) ELSE 0 END
		FROM sqlite_master m WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_'`).inPostgres(`SELECT c.relname::text, (SELECT count(*) FROM pg_catalog.pg_attribute a
			WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attname IN ('name', 'applied_at'))
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname IN ('schema_migrations', 'orgs', 'bots')`)

// checkOwner refuses a database that has tables of another program (B2B-ENV-053), before it is
// changed. The path of PostgreSQL is empty; there, other programs may have tables beside ours.
func checkOwner(ctx context.Context, conn *sql.Conn, path string) error {
	d := forSQLite
	if path == "" {
		d = forPostgres
	}
	rows, err := conn.QueryContext(ctx, listTables.text[d])
	if err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	tables := map[string]int{}
	for rows.Next() {
		var name string
		var columns int
		if err := rows.Scan(&name, &columns); err != nil {
			return errors.Join(fmt.Errorf("list the tables: %w", err), rows.Close())
		}
		tables[name] = columns
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	return owner(tables, path)
}

// owner returns an error that names the program that made a database, or nil if it is ours or
// empty. tables has, by name, the number of the columns of our schema_migrations.
func owner(tables map[string]int, path string) error {
	from := cmp.Or(path, "postgres://…")
	columns, migrations := tables["schema_migrations"]
	_, orgs := tables["orgs"]
	_, bots := tables["bots"]
	switch {
	case columns == 2:
		return nil
	case orgs && bots:
		return fmt.Errorf("this is a database of HXA-Connect: import it into a new one with b2b import --from %s "+
			"(name the new one with --data or --database; the old one is only read)", from)
	case path == "" && migrations:
		return errors.New("the table schema_migrations is another program's: name a database, or a schema (search_path), of its own")
	case path != "" && len(tables) > 0:
		return errors.New("this is a database of another program: name another data folder (B2B_DATA_DIR)")
	}
	return nil
}
