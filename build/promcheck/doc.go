// Package promcheck checks the alert rules and the dashboard of the folder deploy with the parser
// of Prometheus. It has only tests.
//
// It is a module of its own, since the parser comes with the whole of Prometheus, which the server
// must not depend on. So it does not know the metrics of the server from its code: it reads them
// from docs/operate/monitoring.md, which a test of internal/metrics compares with the registry.
package promcheck
