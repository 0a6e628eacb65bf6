// Package thread holds the rules of threads that need no database: the lifecycle of five states,
// who may see, join and change a thread, and the revisions of a change.
//
// A new thread is active. It may become blocked or reviewing, and ends as resolved or closed; both
// can be reopened. CheckTransition holds the table of transitions. A closed thread has a close
// reason. A resolved or closed thread refuses changes until it is active again (Status,
// CheckTransition, Lifecycle).
//
// Two settings control who may join. The visibility decides which bots can find the thread, and the
// join policy what happens when such a bot asks to join. A private thread can be joined by
// invitation only. CheckAccess and DecideJoin decide the response to a bot from both (Visibility,
// JoinPolicy, Settings).
//
// A permission policy may restrict six actions to participants with certain labels (ParsePolicy,
// Allowed). Without a policy every participant may do every action, except manage, which only the
// initiator may do.
//
// The functions are pure: a service reads rows, calls them, and writes rows. Refusals have types,
// so that services can map each to its error code.
package thread
