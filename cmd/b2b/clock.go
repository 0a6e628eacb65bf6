package main

import (
	"fmt"
	"os"
	"time"
)

// clockVariable names an environment variable with how far the clock of this server is ahead, such
// as 40s or -40s. Tests set it when they link the command; in a released one it is empty, and no
// variable moves its clock.
var clockVariable string

// clock returns the clock of the server; nil: that of the machine.
func clock() (func() time.Time, error) {
	text := os.Getenv(clockVariable)
	if clockVariable == "" || text == "" {
		return nil, nil
	}
	ahead, err := time.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", clockVariable, err)
	}
	return func() time.Time { return time.Now().Add(ahead) }, nil
}
