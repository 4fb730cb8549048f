# For agents that write mail.
package vargate.policy.templates.email

import data.vargate.policy.parameters

tools := {"email", "gmail", "resend"}

config := parameters.tuned({
	"daily_send_limit": 50,
	"require_disclosure": true,
	"first_contact_approval": true,
	"blocked_domains": [
		"gmail.com",
		"yahoo.com",
		"hotmail.com",
		"outlook.com",
		"icloud.com",
		"aol.com",
		"protonmail.com",
		"proton.me",
	],
})

# The gateway reads the recipients out of params.to and puts them into lower case.
violations["consumer_email_blocked"] := "high" if {
	some address in input.data.recipients
	some blocked in config.blocked_domains
	domain(address) == lower(blocked)
}

# A domain may be written with the root's dot (gmail.com.) and is the same domain.
domain(address) := trim_suffix(parts[count(parts) - 1], ".") if parts := split(address, "@")

violations["daily_send_limit_exceeded"] := "medium" if {
	input.history.last_24h.action_count > config.daily_send_limit
}

violations["missing_ai_disclosure"] := "medium" if {
	config.require_disclosure
	not is_disclosed
}

is_disclosed if {
	is_string(input.action.params.body)
	some mark in ["AI-generated", "automated"]
	contains(input.action.params.body, mark)
}

approval if {
	config.first_contact_approval
	not input.history.known_recipient
}
