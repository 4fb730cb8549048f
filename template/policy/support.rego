# What the support agent may do, for an OPA server. The input is the gateway's decision document.
package vargate.policy

decision := {
	"allow": count(violations) == 0,
	"requires_human": requires_human,
	"violations": object.keys(violations),
	"severity": severity,
	"alert_tier": "none",
}

# In any spelling: capitals and punctuation make no other tool of it.
is_refund if regex.replace(upper(input.action.tool), `[^A-Z0-9]`, "") == "PAYMENTS"

# A rule names what it lets through, and everything else is denied: an amount that is a text, a list or below zero.
violations["refund_too_large"] := "high" if {
	is_refund
	not is_within(1000)
}

# A second amount, under another spelling or further inside. `vargate_reference` is the client's own key.
violations["unexpected_params"] := "high" if {
	is_refund
	some key, _ in input.action.params
	not key in {"charge", "amount", "vargate_reference"}
}

default requires_human := false

requires_human if {
	is_refund
	count(violations) == 0
	not is_within(100)
}

is_within(limit) if {
	is_number(input.action.params.amount)
	input.action.params.amount >= 0
	input.action.params.amount <= limit
}

default severity := "none"

severity := "high" if count(violations) > 0
