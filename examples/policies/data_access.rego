# For agents that query data.
package vargate.policy.templates.data_access

import data.vargate.policy.parameters

config := parameters.tuned({
	"max_row_limit": 10000,
	"pii_allowed": false,
	"allowed_regions": ["eu-west-1"],
	"require_masking": true,
	"daily_query_limit": 500,
})

# Undefined for anything but a number.
limit := input.action.params.limit if is_number(input.action.params.limit)

violations["pii_access_denied"] := "high" if {
	input.data.contains_pii
	not config.pii_allowed
}

violations["pii_masking_required"] := "high" if {
	config.require_masking
	input.data.contains_pii
	not input.action.params.masked == true
}

violations["query_row_limit_exceeded"] := "medium" if limit > config.max_row_limit

violations["data_residency_violation"] := "high" if {
	"region" in object.keys(input.action.params)
	not input.action.params.region in config.allowed_regions
}

violations["daily_query_limit_exceeded"] := "medium" if {
	input.history.last_24h.action_count > config.daily_query_limit
}

approval if {
	input.action.method == "export"
	limit > 1000
}
