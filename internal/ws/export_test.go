package ws

// CheckAll checks the credential of every connection, as the periodic check does.
func (s *Server) CheckAll() {
	for _, c := range s.all() {
		c.check(s.ctx)
	}
}

// Ending returns the number of connections for which a close frame is sent or queued in the socket.
func (s *Server) Ending() (n int) {
	for _, c := range s.all() {
		if c.ctx.Err() != nil {
			n++
		}
	}
	return n
}
