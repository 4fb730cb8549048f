package vargate.policy_test

import data.vargate.policy

test_unknown_templates_are_general[template] if {
	some template in ["", "lenient", "constructor", 7]
	outcome(template, {"action": {"method": "purge"}}) == "pending"
}

test_shape_of_a_denial if {
	denial := policy.decision with input as object.union(quiet, {"history": {"anomaly_score": 1}})
	denial == {
		"allow": false,
		"requires_human": false,
		"violations": {"anomaly_score_threshold_exceeded"},
		"severity": "high",
		"alert_tier": "soc_ticket",
	}
}

test_shape_of_an_allowance if {
	allowance := policy.decision with input as quiet
	allowance == {
		"allow": true,
		"requires_human": false,
		"violations": set(),
		"severity": "none",
		"alert_tier": "none",
	}
}

test_incomplete_documents_are_denied[path] if {
	some path in [
		"tenant/policy_template",
		"tenant/policy_config",
		"action/tool",
		"action/method",
		"action/params",
		"context/time_utc",
		"context/is_business_hours",
		"data/contains_pii",
		"data/recipients",
		"history/anomaly_score",
		"history/last_24h/action_count",
		"history/last_24h/policy_violations",
		"history/known_recipient",
	]
	decision := policy.decision with input as json.remove(quiet, [path])
	decision.violations == {"policy_input_incomplete"}
	decision.severity == "high"
}

test_other_things_are_denied[document] if {
	some document in [{}, "document", ["document"], null]
	decision := policy.decision with input as document
	not decision.allow
}

test_no_document_is_denied if {
	not policy.decision.allow
}
