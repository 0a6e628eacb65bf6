package runner

import "os/exec"

// inGroup does nothing: Windows has no process groups of this kind.
func inGroup(*exec.Cmd) {}

// endGroup ends the command.
func endGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }

// killGroup does nothing: what a command has left behind goes on.
func killGroup(*exec.Cmd) {}
