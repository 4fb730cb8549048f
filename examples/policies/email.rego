# For agents that write mail.
package vargate.policy.templates.email

import data.vargate.policy.governed
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

violations[name] := "high" if {
	some field in governed.unexpected({
		"to": "recipients",
		"cc": "recipients",
		"bcc": "recipients",
		"recipient": "recipients",
		"recipients": "recipients",
	})
	name := concat("_", ["unexpected_shape", field])
}

violations["consumer_email_blocked"] := "high" if {
	some address in governed.recipients
	some blocked in config.blocked_domains
	governed.domain(address) == governed.domain(trim_space(blocked))
}

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

# An internationalised domain may look like any other to a reader.
approval if {
	some address in governed.recipients
	some label in split(governed.domain(address), ".")
	startswith(label, "xn--")
}
