// Package importer imports a database of HXA-Connect: every org with its bots, credentials,
// conversations, files and audit log, under their old ids.
//
// # All of an org or nothing
//
// The old database is read in one snapshot and never written. Each org is imported in one
// change of the store ([store.ImportWriter]). So no caller sees a part of an org, and a process
// that is killed leaves nothing of the org at which it was; the next run imports that org from
// the start. The record of each import has a fingerprint of the rows that were read.
//
// An org that was imported before is skipped when its rows in the old database are unchanged.
// When they have changed, and nothing has happened in the org on this server since the import,
// it is replaced in one change. Otherwise it is refused, because two histories cannot be
// merged: destroy the org on this server, or use an empty database.
//
// # Changes to rows
//
// Rows are not checked as requests are: a blank topic, a bot named "all" or a policy of [] are
// imported. Only values that this server cannot store are changed, and the report lists them:
// text that is not UTF-8, U+0000 if the target is PostgreSQL, fractions of milliseconds,
// invalid JSON, and ids of sessions (they are cookies). Rows that refer to rows that do not
// exist are skipped, and so are rows that last only hours: sessions and counters of limits.
//
// # The log
//
// The log of an org begins with the import, under an epoch of its own. It
// begins with the pending catch-up rows of its bots ([eventlog.ImportedRow]), so that catch-up,
// its counts and positions are right at once. Bots are members of their channels and threads
// from the beginning of the log.
package importer
