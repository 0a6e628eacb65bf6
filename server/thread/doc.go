// Package thread holds the rules of a thread that need no database: its five-state lifecycle, who may see, join and
// change it, and how far a change moves its revision.
//
// A thread is *active* from its creation. It may wait (*blocked*) or be under review (*reviewing*), and it ends
// *resolved* or *closed*; both ends can be reopened. Only the transitions of a small table exist, `closed` always
// says why, and an ended thread refuses work until it is active again (Status, CheckTransition, Lifecycle).
//
// Two settings say who may come in (Visibility, JoinPolicy, Settings): visibility decides who learns that the thread
// exists, the join policy what happens when such a bot asks to join. A private thread is always by invitation.
// CheckAccess and DecideJoin turn them into the one answer that a caller gets.
//
// Inside, a permission policy may restrict six actions to participants with certain labels (ParsePolicy, Allowed).
// Without a policy everything is open to every participant, except `manage`, which is the initiator's.
//
// The functions are pure: a service reads rows, calls them, and writes. Refusals are typed, so
// that each binding can answer with its own status and code.
package thread
