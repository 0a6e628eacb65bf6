// Package importer brings a database of HXA-Connect over: every organisation with its
// bots, credentials, conversations, files and records, under the ids they have.
//
// # Whole or not at all
//
// The old database is read in one snapshot and never written. Each organisation is
// brought in one change of the store ([store.ImportWriter]), so nobody ever sees a part
// of it, and a process that is killed leaves nothing of the one it was at: run again, it
// begins that one anew. The note of each import holds a fingerprint of what was read.
//
// An organisation that was brought before is left alone when the old database has
// nothing new of it. When it has, what is here decides: if nothing has happened here
// since, the organisation is brought anew, in one change that also removes what is here;
// if something has, it is refused, since two histories cannot be merged. Destroy it
// here, or use an empty database.
//
// # What is changed on the way
//
// Rows are taken as they are, not checked as requests are: a blank topic, a bot named
// "all", a policy of [] come over. Changed is only what this server cannot keep, and the
// report says so: text that is not UTF-8, U+0000 where PostgreSQL is to hold it,
// fractions of milliseconds, JSON that cannot be read, ids of sessions (they are cookies).
// Left behind is what belongs to nothing, and what lasts only hours: sessions, counters
// of limits.
//
// # The log
//
// The log of an organisation begins with the import, under an epoch of its own. What
// its bots had not caught up with comes first ([eventlog.ImportedRow]): so catch-up, its
// counts and positions are right from the first minute. Bots are members of their
// channels and threads from the beginning of the log.
package importer
