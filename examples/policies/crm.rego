# For agents that work on customer records.
package vargate.policy.templates.crm

import data.vargate.policy.governed
import data.vargate.policy.parameters

config := parameters.tuned({
	"bulk_threshold": 10,
	"allow_delete": false,
	"export_approval": true,
	"restricted_fields": ["owner", "revenue"],
})

# The largest. Undefined where there is no number.
record_count := max(governed.numbers("record_count"))

violations[name] := "high" if {
	some field in governed.unexpected({"fields": "object", "record_count": "quantity"})
	name := concat("_", ["unexpected_shape", field])
}

violations["crm_delete_not_allowed"] := "high" if {
	governed.has_method({"delete"})
	not config.allow_delete
}

violations[name] := "high" if {
	some field in config.restricted_fields
	some key in governed.keys("fields")
	governed.is_key_of(key, field)
	name := concat("_", ["restricted_field_modification", field])
}

violations["bulk_operation_exceeds_threshold"] := "medium" if {
	record_count > config.bulk_threshold
	record_count >= 10 * config.bulk_threshold
}

approval if {
	governed.has_method({"export"})
	config.export_approval
}

approval if record_count > config.bulk_threshold
