package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// others are variables that begin as ours and belong to clients, or are set by Kubernetes for
// services whose names begin with b2b.
var others = regexp.MustCompile(`^B2B_(TOKEN|URL|API_KEY)$|_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)$`)

// Unknown warns of variables that begin as those of this server and are none: a setting
// whose name is misspelt would be missed in silence. environ is what os.Environ returns.
func Unknown(environ []string) (warnings []string) {
	var known []string
	load(func(name string) (string, bool) { // asks for every name
		known = append(known, name)
		return "", false
	})
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "B2B_") && value != "" && !slices.Contains(known, name) && !others.MatchString(name) {
			warnings = append(warnings, fmt.Sprintf("%s is no setting of this server, and is not read", name))
		}
	}
	return warnings
}
