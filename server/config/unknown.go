package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// others are variables with our prefix that belong to clients, or that Kubernetes sets for services
// with names that begin with b2b.
var others = regexp.MustCompile(`^B2B_(TOKEN|URL|API_KEY)$|_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)$`)

// Unknown returns a warning for each variable with the prefix of this server that is not a setting;
// otherwise a misspelt name would be ignored silently. environ is the result of os.Environ.
func Unknown(environ []string) (warnings []string) {
	var known []string
	load(func(name string) (string, bool) { // asks for every name
		known = append(known, name)
		return "", false
	})
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "B2B_") && value != "" && !slices.Contains(known, name) && !others.MatchString(name) {
			warnings = append(warnings, fmt.Sprintf("%s is not a setting of this server, and is ignored", name))
		}
	}
	return warnings
}
