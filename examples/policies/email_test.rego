package vargate.policy_test

test_email[title] if {
	polite := {"action": {"params": {"body": "This is an AI-generated mail."}}}
	some title, [changes, expected] in {
		"a polite mail to an acquaintance": [{}, "allowed"],
		"a polite mail to a stranger": [{"history": {"known_recipient": false}}, "pending"],
		"a stranger without approval": [
			{
				"tenant": {"policy_config": {"first_contact_approval": false}},
				"history": {"known_recipient": false},
			},
			"allowed",
		],
		"automated": [params({"body": "an automated note"}), "allowed"],
		"no disclosure": [params({"body": "Hello"}), "medium: missing_ai_disclosure"],
		"a body that is not a text": [params({"body": ["automated"]}), "medium: missing_ai_disclosure"],
		"no disclosure required": [tuned({"require_disclosure": false}, {"body": ""}), "allowed"],
		"the last mail of the day": [{"history": {"last_24h": {"action_count": 50}}}, "allowed"],
		"one mail too many": [
			{"history": {"last_24h": {"action_count": 51}}},
			"medium: daily_send_limit_exceeded",
		],
		"a consumer address": [to("ann@gmail.com"), "high: consumer_email_blocked"],
		"a consumer address with the root's dot": [to("ann@aol.com."), "high: consumer_email_blocked"],
		"a domain that ends like a blocked one": [to("ann@notgmail.com"), "allowed"],
		"a domain that begins like a blocked one": [to("ann@gmail.com.example"), "allowed"],
		"a domain blocked by the tenant": [
			object.union(to("ann@corp.example"), tuned({"blocked_domains": ["Corp.Example"]}, {})),
			"high: consumer_email_blocked",
		],
		"a domain released by the tenant": [
			object.union(to("ann@gmail.com"), tuned({"blocked_domains": []}, {})),
			"allowed",
		],
		"blocked domains of a wrong type": [
			object.union(to("ann@gmail.com"), tuned({"blocked_domains": ["x.example", 7]}, {})),
			"high: consumer_email_blocked",
		],
		"blocked domains that are an object": [
			object.union(to("ann@gmail.com"), tuned({"blocked_domains": {"x": "x.example"}}, {})),
			"high: consumer_email_blocked",
		],
		"gmail": [{"action": {"tool": "gmail", "params": {"body": ""}}}, "medium: missing_ai_disclosure"],
		"resend": [{"action": {"tool": "resend", "params": {"body": ""}}}, "medium: missing_ai_disclosure"],
		"another tool, which the template is not about": [
			object.union(to("ann@gmail.com"), {
				"action": {"tool": "slack"},
				"history": {"known_recipient": false, "last_24h": {"action_count": 999}},
			}),
			"allowed",
		],
	}
	outcome("email", object.union(polite, changes)) == expected
}

test_consumer_domains[domain] if {
	some domain in [
		"gmail.com",
		"yahoo.com",
		"hotmail.com",
		"outlook.com",
		"icloud.com",
		"aol.com",
		"protonmail.com",
		"proton.me",
	]
	mail := object.union(to(concat("@", ["ann", domain])), params({"body": "automated"}))
	outcome("email", mail) == "high: consumer_email_blocked"
}

to(address) := {"data": {"recipients": ["bob@corp.example", address]}}
