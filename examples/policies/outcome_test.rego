# What the tests share: a quiet Monday noon of an agent without history, changes to it, and an outcome in one line.
package vargate.policy_test

quiet := {
	"tenant": {"id": "t", "name": "Tenant", "policy_template": "general", "policy_config": {}},
	"agent": {"id": "a", "type": "autonomous", "version": "1.0.0"},
	"action": {
		"id": "1",
		"tool": "email",
		"method": "create",
		"params": {},
		"requested_at": "2026-11-23T12:00:00.000Z",
	},
	"context": {
		"time_utc": "2026-11-23T12:00:00.000Z",
		"hour_of_day": 12,
		"day_of_week": 1,
		"is_business_hours": true,
	},
	"data": {"contains_pii": false, "pii_types": [], "pii_fields": [], "recipients": []},
	"history": {
		"anomaly_score": 0,
		"last_24h": {"action_count": 0, "policy_violations": 0, "last_violation_at": null},
		"known_recipient": true,
	},
}

params(changes) := {"action": {"params": changes}}

tuned(config, changes) := {"tenant": {"policy_config": config}, "action": {"params": changes}}

# "allowed", "pending", or the severity of a denial and its violations.
outcome(template, changes) := in_words(decision) if {
	document := object.union(object.union(quiet, {"tenant": {"policy_template": template}}), changes)
	decision := data.vargate.policy.decision with input as document
}

in_words(decision) := "allowed" if {
	decision.allow
	not decision.requires_human
}

in_words(decision) := "pending" if {
	decision.allow
	decision.requires_human
}

in_words(decision) := sprintf("%s: %s", [decision.severity, concat(", ", decision.violations)]) if {
	not decision.allow
	not decision.requires_human
}
