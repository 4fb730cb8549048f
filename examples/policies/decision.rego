# The decision of the embedded gateway: POST /v1/data/vargate/policy/decision, with its decision document as input.
package vargate.policy

import data.vargate.policy.governed

# METADATA
# entrypoint: true
decision := {
	"allow": count(violations) == 0,
	"requires_human": requires_human,
	"violations": object.keys(violations),
	"severity": severity,
	"alert_tier": alert_tiers[severity],
}

# A tenant of an unknown template is judged by the general one: no tenant is without rules.
default template := "general"

template := input.tenant.policy_template if data.vargate.policy.templates[input.tenant.policy_template]

# A template with `tools` is about those only.
default is_concerned := true

is_concerned := is_about_tool if data.vargate.policy.templates[template].tools

default is_about_tool := false

is_about_tool if {
	some tool in data.vargate.policy.templates[template].tools
	governed.reads_like(input.action.tool, tool)
}

# Names and their severities. Any violation denies. The object is read as a whole first: compiled to WebAssembly by OPA 1.22,
# a walk through data that was chosen by a variable finds nothing where all its rules have constant names.
violations[name] := severity if {
	is_concerned
	found := data.vargate.policy.templates[template].violations
	some name, severity in found
}

# A comparison with something absent never holds, and neither does a function of something else than it takes, so a
# document without what the rules read would be allowed.
violations["policy_input_incomplete"] := "high" if not is_complete

is_complete if {
	is_string(input.action.tool)
	is_string(input.action.method)
	is_object(input.action.params)
	is_array(input.data.recipients)
	every path in [
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
	] {
		object.get(input, split(path, "/"), null) != null
	}
}

default requires_human := false

requires_human if {
	count(violations) == 0
	is_concerned
	data.vargate.policy.templates[template].approval
}

severities := ["none", "low", "medium", "high", "critical"]

severity := severities[max({0} | {rank | severities[rank] == violations[_]})]

alert_tiers := {
	"none": "none",
	"low": "none",
	"medium": "slack_alert",
	"high": "soc_ticket",
	"critical": "soc_page",
}
