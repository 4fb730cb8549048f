# What the support agent may do, for an OPA server. The input is the gateway's decision document.
package vargate.policy

decision := {
	"allow": count(violations) == 0,
	"requires_human": requires_human,
	"violations": object.keys(violations),
	"severity": severity,
	"alert_tier": "none",
}

is_refund if input.action.tool == "payments"

# A comparison with something that is no number must not let a call through.
violations["refund_too_large"] := "high" if {
	is_refund
	not is_within(1000)
}

default requires_human := false

requires_human if {
	is_refund
	count(violations) == 0
	not is_within(100)
}

is_within(limit) if {
	is_number(input.action.params.amount)
	input.action.params.amount <= limit
}

default severity := "none"

severity := "high" if count(violations) > 0
