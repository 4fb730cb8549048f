# For agents that query data.
package vargate.policy.templates.data_access

import data.vargate.policy.governed
import data.vargate.policy.parameters

config := parameters.tuned({
	"max_row_limit": 10000,
	"pii_allowed": false,
	"allowed_regions": ["eu-west-1"],
	"require_masking": true,
	"daily_query_limit": 500,
})

# The largest. Undefined where there is no number.
limit := max(governed.numbers("limit"))

violations[name] := "high" if {
	some field in governed.unexpected({"limit": "quantity"})
	name := concat("_", ["unexpected_shape", field])
}

violations["pii_access_denied"] := "high" if {
	input.data.contains_pii
	not config.pii_allowed
}

violations["pii_masking_required"] := "high" if {
	config.require_masking
	input.data.contains_pii
	not is_masked
}

is_masked if {
	input.action.params.masked == true
	every masked in governed.values("masked") {
		masked == true
	}
}

violations["query_row_limit_exceeded"] := "medium" if limit > config.max_row_limit

violations["data_residency_violation"] := "high" if {
	some region in governed.values("region")
	not region in config.allowed_regions
}

violations["daily_query_limit_exceeded"] := "medium" if {
	input.history.last_24h.action_count > config.daily_query_limit
}

approval if {
	governed.has_method({"export"})
	limit > 1000
}
