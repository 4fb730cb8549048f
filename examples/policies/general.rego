# For agents of any kind.
package vargate.policy.templates.general

import data.vargate.policy.governed
import data.vargate.policy.parameters

config := parameters.tuned({
	"daily_action_limit": 200,
	"anomaly_threshold": 0.7,
	"cooldown_violations": 3,
	"approve_destructive": true,
})

violations["anomaly_score_threshold_exceeded"] := "high" if input.history.anomaly_score > config.anomaly_threshold

violations["daily_action_limit_exceeded"] := "medium" if {
	input.history.last_24h.action_count > config.daily_action_limit
}

violations["violation_cooldown_active"] := "high" if {
	input.history.last_24h.policy_violations >= config.cooldown_violations
	not input.history.last_24h.last_violation_at == null
	not an_hour_has_passed
}

# Undefined for a time that cannot be read, so that the cool-down stays on.
an_hour_has_passed if {
	milliseconds(input.context.time_utc) - milliseconds(input.history.last_24h.last_violation_at) >= 3600000
}

milliseconds(time_text) := floor(time.parse_rfc3339_ns(time_text) / 1000000)

approval if {
	config.approve_destructive
	governed.has_method({"delete", "destroy", "purge", "drop"})
}
