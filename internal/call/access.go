package call

import (
	"slices"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Public reports whether callers without a credential may call an operation.
func Public(a *optionsv1.Access) bool {
	return slices.Contains(a.GetCallers(), optionsv1.Caller_CALLER_NOBODY)
}

// CheckAccess returns an error unless the authenticated caller may call an operation with this
// access (B2B-AUTH). It checks the kind of the caller before the scope. A token with the scope a2a alone
// may call none, also those that need no scope (B2B-A2A-004).
func CheckAccess(a *optionsv1.Access, c *Caller) error {
	if Public(a) {
		return nil
	}
	if !allows(a, c) {
		return refusal(a, c)
	}
	if c.Kind == Bot && (!c.Scopes.Satisfies(a.GetScope()) || c.Scopes == ScopeA2A) {
		return Errorf(b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE, "This token's scopes do not allow this call").
			WithHint("Use a token that has one of the scopes this call needs.")
	}
	return nil
}

// operatorOnly reports whether only super admins may call. Such calls accept a session only, and
// their refusal does not say what is wrong with another credential.
func operatorOnly(a *optionsv1.Access) bool {
	return len(a.GetCallers()) == 1 && a.GetCallers()[0] == optionsv1.Caller_CALLER_SUPER_ADMIN
}

func allows(a *optionsv1.Access, c *Caller) bool {
	for _, k := range a.GetCallers() {
		switch k {
		case optionsv1.Caller_CALLER_BOT:
			if c.Kind == Bot {
				return true
			}
		case optionsv1.Caller_CALLER_ADMIN_BOT:
			if c.Kind == Bot && c.Admin {
				return true
			}
		case optionsv1.Caller_CALLER_ORG_ADMIN:
			if c.Kind == OrgAdmin {
				return true
			}
		case optionsv1.Caller_CALLER_SUPER_ADMIN:
			if c.Kind == SuperAdmin {
				return true
			}
		}
	}
	return false
}

// refusal returns the error for a caller of the wrong kind. It depends on the kinds that are
// allowed: calls for super admins return AUTH_REQUIRED, calls for humans
// HUMAN_SESSION_REQUIRED, and calls for org admins ORG_CONTEXT_REQUIRED to a super admin, who
// belongs to no org.
func refusal(a *optionsv1.Access, c *Caller) error {
	has := func(k optionsv1.Caller) bool { return slices.Contains(a.GetCallers(), k) }
	switch {
	case operatorOnly(a):
		return Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "A super admin session is required")
	case has(optionsv1.Caller_CALLER_SUPER_ADMIN) && !has(optionsv1.Caller_CALLER_BOT) && !has(optionsv1.Caller_CALLER_ADMIN_BOT):
		return Errorf(b2bv1.ErrorCode_ERROR_CODE_HUMAN_SESSION_REQUIRED, "Only a human's session may do this")
	case c.Kind == SuperAdmin && has(optionsv1.Caller_CALLER_ADMIN_BOT):
		return Errorf(b2bv1.ErrorCode_ERROR_CODE_ORG_CONTEXT_REQUIRED, "This call needs a caller that belongs to an org").
			WithHint("Log in as an org admin.")
	case has(optionsv1.Caller_CALLER_ADMIN_BOT):
		return Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "Org admin access is required")
	case !has(optionsv1.Caller_CALLER_ORG_ADMIN):
		return Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "Only a bot may do this")
	default:
		return Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "Only members of an org may do this")
	}
}
