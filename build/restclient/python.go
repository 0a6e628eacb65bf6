package main

func python(a *api) map[string]string { return nil }
