package vargate.policy_test

import data.vargate.policy

test_unknown_templates_are_general[template] if {
	some template in ["", "lenient", "constructor", 7]
	outcome(template, {"action": {"method": "purge"}}) == "held"
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

test_incomplete_documents_are_denied[title] if {
	some title, document in {
		"empty": {},
		"no text": "document",
		"without history": object.remove(quiet, ["history"]),
		"without a count": json.remove(quiet, ["history/last_24h/action_count"]),
		"without params": json.remove(quiet, ["action/params"]),
		"without business hours": json.remove(quiet, ["context/is_business_hours"]),
	}
	decision := policy.decision with input as document
	not decision.allow
	"policy_input_incomplete" in decision.violations
}

test_no_document_is_denied if {
	not policy.decision.allow
}
